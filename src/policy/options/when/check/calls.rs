//! Functions, operators and comprehensions: what they take, and of which type they are.

use super::super::networks;
use super::super::types::{FUNCTIONS, Field, Name, Type};
use super::{Checker, text_of};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, operators};

impl<'c> Checker<'c, '_> {
    /// Whatever a map is used for but one of its members needs all of it.
    fn whole(&mut self, found: Type) -> Type {
        match found {
            Type::Query => self.field(Field::Query),
            Type::Headers => self.field(Field::Headers),
            _ => {}
        }
        found
    }

    pub(super) fn call(&mut self, call: &'c CallExpr, depth: usize) -> Type {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (operators::INDEX, [operand, key]) => {
                let operand = self.infer(operand, depth + 1);
                let found = self.infer(key, depth + 1);
                return match text_of(key) {
                    Some(text) if operand.is_map() => self.member(operand, text),
                    _ => self.index(operand, found),
                };
            }
            (operators::IN, [key, container]) => {
                let found = self.infer(key, depth + 1);
                if let (Type::Address, Expr::List(list)) = (found, &container.expr) {
                    self.addresses(&list.elements);
                }
                let container = self.infer(container, depth + 1);
                match (text_of(key), container) {
                    (Some(text), Type::Query | Type::Headers | Type::Name(_)) => {
                        self.member(container, text);
                    }
                    (None, Type::Name(_)) => {
                        let message = "`in` asks a name for a member that is written out".to_owned();
                        return self.error(
                            "in",
                            message,
                            "for example `\"email\" in user`, or `has(user.email)`".to_owned(),
                        );
                    }
                    (_, Type::Texts) if !found.can_equal(Type::Text) => {
                        return self.error(
                            "in",
                            format!("the list has texts, and this is {}", found.as_str()),
                            "compare like with like".to_owned(),
                        );
                    }
                    (_, Type::List | Type::Texts | Type::Unknown) => {}
                    (_, map) if map.is_map() => {
                        self.whole(map);
                    }
                    (_, other) => {
                        let message = format!("`in` asks a list or a map, not {}", other.as_str());
                        return self.error("in", message, "a text is asked with `.contains(…)`".to_owned());
                    }
                }
                return Type::Bool;
            }
            ("within", [networks]) if call.target.as_deref().is_some_and(|target| self.is_client(target, depth)) => {
                return self.within(networks);
            }
            _ => {}
        }
        let target = call.target.as_deref().map(|target| self.infer(target, depth + 1)).map(|found| self.whole(found));
        let args: Vec<Type> = call.args.iter().map(|arg| self.infer(arg, depth + 1)).collect();
        let args: Vec<Type> = args.into_iter().map(|found| self.whole(found)).collect();
        match (name, target, args.as_slice()) {
            (
                operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE,
                None,
                _,
            ) => {
                let sign = if name == operators::LOGICAL_AND {
                    "&&"
                } else if name == operators::LOGICAL_OR {
                    "||"
                } else {
                    "!"
                };
                if let Some(bad) = args.iter().find(|t| !matches!(t, Type::Bool | Type::Unknown)) {
                    return self.error(
                        sign,
                        format!("`{sign}` joins what is true or false, not {}", bad.as_str()),
                        "compare it first".to_owned(),
                    );
                }
                Type::Bool
            }
            (operators::EQUALS | operators::NOT_EQUALS, None, [a, b]) => {
                if !a.can_equal(*b) {
                    let sign = if name == operators::EQUALS { "==" } else { "!=" };
                    let message = format!("`{sign}` compares {} with {}: they are never equal", a.as_str(), b.as_str());
                    let help = match (a, b) {
                        (Type::Null, _) | (_, Type::Null) => "what is absent is not null: ask `has(user.email)`",
                        _ => "compare like with like",
                    };
                    return self.error(sign, message, help.to_owned());
                }
                if [a, b].contains(&&Type::Address) {
                    self.addresses(&call.args);
                }
                Type::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                None,
                [a, b],
            ) => {
                if !a.can_equal(*b) {
                    let message = format!("{} and {} have no order", a.as_str(), b.as_str());
                    return self.error("", message, "`int(…)` makes a number of a text".to_owned());
                }
                Type::Bool
            }
            (operators::CONDITIONAL, None, [test, yes, no]) => {
                if !matches!(test, Type::Bool | Type::Unknown) {
                    return self.error(
                        "?",
                        format!("`? :` asks true or false, not {}", test.as_str()),
                        "compare it first".to_owned(),
                    );
                }
                if yes == no { *yes } else { Type::Unknown }
            }
            (operators::ADD, None, [a, b]) if a == b => *a,
            (
                operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
                None,
                [_, _],
            ) => Type::Unknown,
            (operators::NEGATE, None, [found]) => *found,
            ("contains" | "startsWith" | "endsWith", Some(target), [arg]) => {
                if !target.can_equal(Type::Text) || !arg.can_equal(Type::Text) {
                    let message =
                        format!("`{name}` asks a text about a text, not {} about {}", target.as_str(), arg.as_str());
                    return self.error(name, message, "a list is asked with `in`".to_owned());
                }
                Type::Bool
            }
            ("size", None, &[found]) | ("size", Some(found), &[]) => match found {
                Type::Bool | Type::Int | Type::Number | Type::Null | Type::Name(_) => {
                    let message = format!("`size` counts texts, lists and maps, not {}", found.as_str());
                    self.error(name, message, "compare it instead".to_owned())
                }
                _ => Type::Int,
            },
            ("int", None, [_]) => Type::Int,
            ("double", None, [_]) => Type::Number,
            ("string", None, [_]) => Type::Text,
            ("matches", ..) => self.error(
                name,
                "policies have no regular expressions".to_owned(),
                "use `startsWith`, `endsWith`, `contains`, or a typed variable in the pattern".to_owned(),
            ),
            // The latter two are what Kubernetes has.
            ("within" | "cidr" | "containsIP", ..) => {
                self.error(name, "networks are asked by `client.within`".to_owned(), networks::EXAMPLE.to_owned())
            }
            _ if FUNCTIONS.contains(&name) => {
                let message = format!("`{name}` is not called this way");
                self.error(
                    name,
                    message,
                    "for example `size(user.groups)`, `request.path.startsWith(\"/x\")`".to_owned(),
                )
            }
            _ => self.unknown_name(name, "a function in `when`", &FUNCTIONS),
        }
    }

    fn is_client(&mut self, target: &'c IdedExpr, depth: usize) -> bool {
        matches!(&target.expr, Expr::Ident(name) if name == "client")
            && self.infer(target, depth + 1) == Type::Name(Name::Client)
    }

    fn within(&mut self, written: &'c IdedExpr) -> Type {
        let Some(texts) = networks::texts(written) else {
            let message = "`client.within` takes networks that are written out".to_owned();
            return self.error("within", message, networks::EXAMPLE.to_owned());
        };
        let mut list = Vec::with_capacity(texts.len());
        for (id, text) in &texts {
            match networks::read(text) {
                Ok(network) => list.push(network),
                Err(help) => {
                    let span = self.raw.place(*id, text, self.findings);
                    self.findings.error("bad_condition", span, format!("`{text}` is not a network")).help(help);
                }
            }
        }
        self.field(Field::Within(networks::key(&texts), list.into()));
        Type::Bool
    }

    /// A text that no address is written as is a comparison that never holds, and its opposite always does.
    fn addresses(&mut self, compared: &'c [IdedExpr]) {
        for (id, text) in compared.iter().filter_map(|part| Some((part.id, text_of(part)?))) {
            if let Err(help) = networks::is_address(text) {
                let span = self.raw.place(id, text, self.findings);
                let message = format!("`client.address` is never `{text}`");
                self.findings.error("bad_condition", span, message).help(help);
            }
        }
    }

    /// An index that is no literal text.
    fn index(&mut self, operand: Type, key: Type) -> Type {
        match (operand, key) {
            (Type::Texts, Type::Int | Type::Unknown) => Type::Text,
            (Type::Query | Type::Headers, Type::Text | Type::Unknown) => {
                self.whole(operand);
                Type::Text
            }
            (Type::List | Type::Map | Type::Unknown, _) => Type::Unknown,
            _ => {
                let message = format!("{} has no such member", operand.as_str());
                self.error("[", message, "name it: `request.headers[\"x-tenant\"]`, `path.id`".to_owned())
            }
        }
    }

    pub(super) fn comprehension(&mut self, comprehension: &'c ComprehensionExpr, depth: usize) -> Type {
        let range = self.infer(&comprehension.iter_range, depth + 1);
        let range = self.whole(range);
        if self.is_inside {
            // Each one within another multiplies what a client's headers can cost.
            let message = "comprehensions do not stand in each other".to_owned();
            return self.error("", message, "ask with `in`".to_owned());
        }
        let element = match range {
            Type::Texts | Type::Query | Type::Headers => Type::Text,
            Type::List | Type::Map | Type::Unknown => Type::Unknown,
            other => {
                let message = format!("only lists and maps have elements, not {}", other.as_str());
                return self.error(
                    "",
                    message,
                    "for example `user.groups.exists(g, g.startsWith(\"ops-\"))`".to_owned(),
                );
            }
        };
        let start = self.infer(&comprehension.accu_init, depth + 1);
        self.is_inside = true;
        let before = self.locals.len();
        self.locals.push((&comprehension.iter_var, element));
        if let Some(second) = &comprehension.iter_var2 {
            self.locals.push((second, Type::Unknown));
        }
        self.locals.push((&comprehension.accu_var, start));
        self.infer(&comprehension.loop_cond, depth + 1);
        self.infer(&comprehension.loop_step, depth + 1);
        let result = self.infer(&comprehension.result, depth + 1);
        self.locals.truncate(before);
        self.is_inside = false;
        // What `map` and `filter` gather begins as an empty list, which looks like one of texts.
        if result == Type::Texts { Type::List } else { result }
    }
}
