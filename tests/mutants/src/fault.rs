//! Puts faults into the syntax of a file: each stands behind a test of its number, so that one build holds them all and the environment
//! says which one is on. The faults are those of cargo-mutants, which builds anew for each of them.

use proc_macro2::Span;
use quote::{ToTokens, quote};
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, BinOp, Block, Expr, ExprBinary, File, GenericArgument, ImplItem, Item, Pat, PathArguments, ReturnType,
    Signature, TraitItem, Type, UnOp, parse_quote,
};

/// A fault: where it is in the file as it was written, and what it does.
pub struct Fault {
    pub number: u32,
    pub file: String,
    pub line: usize,
    pub what: String,
}

/// Visits a file, and numbers the faults it finds room for. The numbers do not depend on which are left out.
pub struct Faults<'a> {
    pub file: &'a str,
    pub next: u32,
    /// Those that do not compile.
    pub left_out: &'a HashSet<u32>,
    pub found: Vec<Fault>,
    function: String,
}

impl<'a> Faults<'a> {
    pub fn new(file: &'a str, next: u32, left_out: &'a HashSet<u32>) -> Self {
        Self { file, next, left_out, found: Vec::new(), function: String::new() }
    }

    pub fn put(mut self, file: &mut File) -> (u32, Vec<Fault>) {
        self.visit_file_mut(file);
        (self.next, self.found)
    }

    /// The test whether a new fault is on, unless it is left out.
    fn fault(&mut self, at: Span, what: String) -> Option<Expr> {
        let number = self.next;
        self.next += 1;
        if self.left_out.contains(&number) {
            return None;
        }
        let what = format!("{}: {what}", self.function);
        self.found.push(Fault { number, file: self.file.to_owned(), line: at.start().line, what });
        Some(parse_quote!(crate::mutant::is(#number)))
    }

    fn function(&mut self, attributes: &[Attribute], signature: &Signature, block: &mut Block) {
        if signature.constness.is_some() || is_test(attributes) || block.stmts.is_empty() {
            return;
        }
        let outer = std::mem::replace(&mut self.function, signature.ident.to_string());
        visit_mut::visit_block_mut(self, block);
        let written = quote!(#block).to_string();
        for value in returned(&signature.output) {
            let value_text = value.to_token_stream().to_string();
            if written == format!("{{ {value_text} }}") {
                continue;
            }
            if let Some(is_on) = self.fault(signature.ident.span(), format!("returns {value_text}")) {
                block.stmts.insert(0, parse_quote!(if #is_on { return #value; }));
            }
        }
        self.function = outer;
    }

    fn binary(&mut self, binary: &ExprBinary) -> Option<Expr> {
        let ExprBinary { left, op, right, .. } = binary;
        let others = others(op);
        let mut whole: Expr = Expr::Binary(binary.clone());
        let is_short = matches!(op, BinOp::And(_) | BinOp::Or(_));
        if is_short {
            if has_let(left) || has_let(right) {
                return None;
            }
            whole = parse_quote!(is_left #op (#right));
        }
        for other in others {
            let what = format!("{} for {}", other.to_token_stream(), op.to_token_stream());
            if let Some(is_on) = self.fault(op.span(), what) {
                whole = match is_short {
                    true => parse_quote!(if #is_on { is_left #other (#right) } else { #whole }),
                    false => parse_quote!(if #is_on { (#left) #other (#right) } else { #whole }),
                };
            }
        }
        // The left side stands once, so that a long chain does not double with each link.
        Some(if is_short { parse_quote!((match (#left) { is_left => #whole })) } else { parse_quote!((#whole)) })
    }
}

impl VisitMut for Faults<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Fn(function) => self.function(&function.attrs, &function.sig, &mut function.block),
            Item::Mod(module) if !is_test(&module.attrs) => visit_mut::visit_item_mod_mut(self, module),
            Item::Impl(implementation) if !is_test(&implementation.attrs) => {
                // What is printed for whoever debugs is no behaviour.
                let name = implementation.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
                if name.is_none_or(|name| name.ident != "Debug") {
                    visit_mut::visit_item_impl_mut(self, implementation);
                }
            }
            Item::Trait(item) => visit_mut::visit_item_trait_mut(self, item),
            _ => {}
        }
    }

    fn visit_impl_item_mut(&mut self, item: &mut ImplItem) {
        if let ImplItem::Fn(function) = item {
            self.function(&function.attrs, &function.sig, &mut function.block);
        }
    }

    fn visit_trait_item_mut(&mut self, item: &mut TraitItem) {
        if let TraitItem::Fn(function) = item
            && let Some(block) = &mut function.default
        {
            self.function(&function.attrs, &function.sig, block);
        }
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        if let Expr::Const(_) | Expr::Repeat(_) = expression {
            return;
        }
        visit_mut::visit_expr_mut(self, expression);
        let changed = match expression {
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_) | UnOp::Neg(_)) => {
                if matches!(*unary.expr, Expr::Lit(_)) {
                    return;
                }
                let inner = &unary.expr;
                self.fault(unary.op.span(), format!("{} deleted", unary.op.to_token_stream()))
                    .map(|is_on| parse_quote!((if #is_on { #inner } else { #unary })))
            }
            Expr::Match(it) => {
                let has_rest = it.arms.last().is_some_and(|arm| matches!(arm.pat, Pat::Wild(_)) && arm.guard.is_none());
                for arm in &mut it.arms {
                    let (pattern, text) = (arm.pat.span(), arm.pat.to_token_stream().to_string());
                    if let Some((_, guard)) = arm.guard.as_mut().filter(|(_, guard)| !has_let(guard)) {
                        let written = guard.to_token_stream();
                        if let Some(is_on) = self.fault(pattern, format!("guard of `{text}` is true")) {
                            **guard = parse_quote!(#is_on || (#written));
                        }
                        if let Some(is_on) = self.fault(pattern, format!("guard of `{text}` is false")) {
                            let guarded = guard.to_token_stream();
                            **guard = parse_quote!(!#is_on && (#guarded));
                        }
                    } else if has_rest
                        && !matches!(arm.pat, Pat::Wild(_))
                        && arm.guard.is_none()
                        && let Some(is_on) = self.fault(pattern, format!("arm `{text}` deleted"))
                    {
                        arm.guard = Some((Default::default(), parse_quote!(!#is_on)));
                    }
                }
                None
            }
            _ => None,
        };
        if let Some(changed) = changed {
            *expression = changed;
        }
    }

    // What must be known when it is compiled: lengths, patterns, constants.
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_pat_mut(&mut self, _: &mut Pat) {}
    fn visit_generic_argument_mut(&mut self, _: &mut GenericArgument) {}
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string();
        text == "test" || text.ends_with(":: test") || text.starts_with("cfg") && text.contains("test")
    })
}

fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        Expr::Paren(inner) => has_let(&inner.expr),
        _ => false,
    }
}

fn others(op: &BinOp) -> Vec<BinOp> {
    match op {
        BinOp::Eq(_) => vec![parse_quote!(!=)],
        BinOp::Ne(_) => vec![parse_quote!(==)],
        BinOp::Lt(_) => vec![parse_quote!(==), parse_quote!(>), parse_quote!(<=)],
        BinOp::Gt(_) => vec![parse_quote!(==), parse_quote!(<), parse_quote!(>=)],
        BinOp::Le(_) => vec![parse_quote!(>)],
        BinOp::Ge(_) => vec![parse_quote!(<)],
        BinOp::And(_) => vec![parse_quote!(||)],
        BinOp::Or(_) => vec![parse_quote!(&&)],
        BinOp::Add(_) => vec![parse_quote!(-), parse_quote!(*)],
        BinOp::Sub(_) => vec![parse_quote!(+), parse_quote!(/)],
        BinOp::Mul(_) => vec![parse_quote!(+), parse_quote!(/)],
        BinOp::Div(_) => vec![parse_quote!(%), parse_quote!(*)],
        BinOp::Rem(_) => vec![parse_quote!(/), parse_quote!(+)],
        BinOp::Shl(_) => vec![parse_quote!(>>)],
        BinOp::Shr(_) => vec![parse_quote!(<<)],
        BinOp::BitAnd(_) => vec![parse_quote!(|), parse_quote!(^)],
        BinOp::BitOr(_) => vec![parse_quote!(&), parse_quote!(^)],
        BinOp::BitXor(_) => vec![parse_quote!(|), parse_quote!(&)],
        BinOp::AddAssign(_) => vec![parse_quote!(-=)],
        BinOp::SubAssign(_) => vec![parse_quote!(+=)],
        BinOp::BitAndAssign(_) => vec![parse_quote!(|=)],
        BinOp::BitOrAssign(_) => vec![parse_quote!(&=)],
        _ => vec![],
    }
}

/// Values that a function could return instead of what it finds out.
fn returned(output: &ReturnType) -> Vec<Expr> {
    match output {
        ReturnType::Default => vec![parse_quote!(())],
        ReturnType::Type(_, output) => values(output),
    }
}

fn values(of: &Type) -> Vec<Expr> {
    match of {
        Type::Never(_) | Type::ImplTrait(_) => vec![],
        Type::Tuple(tuple) if tuple.elems.is_empty() => vec![parse_quote!(())],
        Type::Tuple(tuple) => {
            let firsts: Option<Vec<_>> = tuple.elems.iter().map(|of| values(of).into_iter().next()).collect();
            firsts.map(|firsts| parse_quote!((#(#firsts),*))).into_iter().collect()
        }
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => vec![parse_quote!(""), parse_quote!("xyzzy")],
            Type::Slice(_) => vec![parse_quote!(&[])],
            _ => vec![],
        },
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return vec![] };
            let mut of = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => arguments
                    .args
                    .iter()
                    .filter_map(|argument| match argument {
                        GenericArgument::Type(of) => Some(of),
                        _ => None,
                    })
                    .collect(),
                _ => vec![],
            }
            .into_iter()
            .map(values);
            let mut inner = || of.next().unwrap_or_default().into_iter();
            match last.ident.to_string().as_str() {
                "bool" => vec![parse_quote!(true), parse_quote!(false)],
                "String" => vec![parse_quote!(String::new()), parse_quote!("xyzzy".into())],
                "u8" | "u16" | "u32" | "u64" | "usize" => vec![parse_quote!(0), parse_quote!(1)],
                "i8" | "i16" | "i32" | "i64" | "isize" => vec![parse_quote!(0), parse_quote!(1), parse_quote!(-1)],
                "Option" => {
                    let some = inner().map(|value| parse_quote!(Some(#value)));
                    std::iter::once(parse_quote!(None)).chain(some).collect()
                }
                "Result" => inner().map(|value| parse_quote!(Ok(#value))).collect(),
                "Vec" => vec![parse_quote!(vec![])],
                "Box" | "Rc" | "Arc" => inner().map(|value| parse_quote!((#value).into())).collect(),
                "Cow" => vec![parse_quote!("xyzzy".into())],
                _ => vec![parse_quote!(Default::default())],
            }
        }
        _ => vec![],
    }
}
