//! One question, and many in one call (AuthZEN 1.0, 6 and 7).

use super::evaluate::{Decision, Evaluator, Handle, Unavailable};
use super::json::{Json, Map};
use super::question::Question;
use super::{Authzen, wrong};
use crate::decision::{Denial, Reason};
use serde::Serialize;
use serde_json::{Value, json};

/// Questions of one call, at most.
pub const MOST: usize = 1_000;

/// When the answers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// What they are called.
pub const SEMANTICS: [(&str, Semantic); 3] = [
    ("execute_all", Semantic::ExecuteAll),
    ("deny_on_first_deny", Semantic::DenyOnFirstDeny),
    ("permit_on_first_permit", Semantic::PermitOnFirstPermit),
];

/// A decision as it is told.
#[derive(Serialize)]
struct Told {
    decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Value>,
}

impl Authzen {
    pub(super) async fn evaluation(
        &self,
        evaluator: &mut Evaluator<'_, impl Handle>,
        asked: &Map<'_>,
    ) -> Result<Value, Denial> {
        let question = Question::read(asked, None, None).map_err(wrong)?;
        let decision = evaluator.decide(&question).await?;
        Ok(json!(self.told(Ok(decision))))
    }

    /// Without questions in it, a call is one question itself.
    pub(super) async fn evaluations(
        &self,
        evaluator: &mut Evaluator<'_, impl Handle>,
        asked: &Map<'_>,
    ) -> Result<Value, Denial> {
        let list = match asked.get("evaluations") {
            None => &[][..],
            Some(Json::List(list)) => list,
            Some(_) => return Err(wrong("`evaluations` is not a list")),
        };
        let semantic = semantic(asked).map_err(wrong)?;
        if list.is_empty() {
            return self.evaluation(evaluator, asked).await;
        }
        if list.len() > MOST {
            return Err(wrong("`evaluations` has more than 1000 questions"));
        }
        for (name, fault) in [
            ("subject", "`subject` is not an object"),
            ("action", "`action` is not an object"),
            ("resource", "`resource` is not an object"),
            ("context", "`context` is not an object"),
        ] {
            if asked.get(name).is_some_and(|default| default.map().is_none()) {
                return Err(wrong(fault));
            }
        }
        let mut told = Vec::with_capacity(list.len());
        for item in list {
            let question = match item.map() {
                Some(map) => Question::read(map, Some(asked), None),
                None => Err("an evaluation is not an object"),
            };
            let decided = match question {
                Ok(question) => evaluator.decide(&question).await,
                Err(fault) => Ok(Decision::Fault(fault)),
            };
            let one = self.told(decided);
            let is_last = match semantic {
                Semantic::ExecuteAll => false,
                Semantic::DenyOnFirstDeny => !one.decision,
                Semantic::PermitOnFirstPermit => one.decision,
            };
            told.push(one);
            if is_last {
                break;
            }
        }
        Ok(json!({ "evaluations": told }))
    }

    /// What could not be decided is denied, and says so; why something was denied is told where that is configured.
    fn told(&self, decided: Result<Decision, Unavailable>) -> Told {
        let error = |status: u16, message: &str| json!({ "error": { "status": status, "message": message } });
        let context = match decided {
            Ok(Decision::Permit) => return Told { decision: true, context: None },
            Ok(Decision::Deny(reason)) => self.settings.reasons.then(|| json!({ "reason": reason.code() })),
            Ok(Decision::Fault(fault)) => Some(error(400, fault)),
            Err(Unavailable) => Some(error(503, Reason::StoreUnavailable.detail())),
        };
        Told { decision: false, context }
    }
}

fn semantic(asked: &Map<'_>) -> Result<Semantic, &'static str> {
    let Some(options) = asked.get("options") else { return Ok(Semantic::ExecuteAll) };
    let options = options.map().ok_or("`options` is not an object")?;
    let Some(wanted) = options.get("evaluations_semantic") else { return Ok(Semantic::ExecuteAll) };
    let known = SEMANTICS.iter().find(|(name, _)| wanted.text() == Some(name)).map(|(_, semantic)| *semantic);
    known.ok_or("`evaluations_semantic` is `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`")
}
