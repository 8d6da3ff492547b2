//! `has(user.email)` where nobody is known.
//!
//! CEL asks `has` of a map, and of null it is an error. Whoever writes it means that both have no e-mail address: so it is
//! `user != null && has(user.email)`, written out once, when the policy is loaded.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

/// Writes out what each `has` of a name that may be null means.
pub(super) fn of_null(expression: &mut IdedExpr) {
    let is_guarded = matches!(&expression.expr, Expr::Select(select) if select.test
        && matches!(&select.operand.expr, Expr::Ident(name) if matches!(name.as_str(), "user" | "org")));
    if is_guarded {
        guard(expression);
        return;
    }
    match &mut expression.expr {
        Expr::Select(select) => of_null(&mut select.operand),
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(of_null),
        Expr::List(list) => list.elements.iter_mut().for_each(of_null),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    of_null(&mut entry.key);
                    of_null(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(c) => {
            [&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
                .into_iter()
                .for_each(of_null);
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
