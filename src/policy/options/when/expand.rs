//! What some parts stand for, written out once, when the policy is loaded.
//!
//! `has(user.email)`: CEL asks `has` of a map, and of null it is an error. Whoever writes it means that both have no e-mail
//! address: so it is `user != null && has(user.email)`. `client.within("10.0.0.0/8")` is a value of `client`, which a request gets
//! with the others.

use super::networks;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

/// Writes out what each part means.
pub(super) fn expand(expression: &mut IdedExpr) {
    let is_guarded = matches!(&expression.expr, Expr::Select(select) if select.test
        && matches!(&select.operand.expr, Expr::Ident(name) if matches!(name.as_str(), "user" | "org")));
    if is_guarded {
        guard(expression);
        return;
    }
    if let Some(value) = value_of_client(expression) {
        expression.expr = value;
        return;
    }
    match &mut expression.expr {
        Expr::Select(select) => expand(&mut select.operand),
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(expand),
        Expr::List(list) => list.elements.iter_mut().for_each(expand),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    expand(&mut entry.key);
                    expand(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(c) => {
            [&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
                .into_iter()
                .for_each(expand);
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

fn guard(expression: &mut IdedExpr) {
    let has = std::mem::take(expression);
    let Expr::Select(select) = &has.expr else { return };
    let id = has.id;
    let part = |expr| IdedExpr { id, expr };
    let call = |name: &str, args| part(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }));
    let null = part(Expr::Literal(LiteralValue::Null));
    let is_known = call(operators::NOT_EQUALS, vec![IdedExpr::clone(&select.operand), null]);
    *expression = call(operators::LOGICAL_AND, vec![is_known, has]);
}

/// The member of `client` that says whether it is within networks.
fn value_of_client(expression: &IdedExpr) -> Option<Expr> {
    let Expr::Call(call) = &expression.expr else { return None };
    let ("within", Some(client), [written]) = (call.func_name.as_str(), &call.target, call.args.as_slice()) else {
        return None;
    };
    let field = networks::key(&networks::texts(written)?).into();
    Some(Expr::Select(SelectExpr { operand: client.clone(), field, test: false }))
}
