//! What can be called (AuthZEN 1.0, 10.1).

pub use super::question::Wanted;

/// Where what can be called is told.
pub const CONFIGURATION: &str = "/.well-known/authzen-configuration";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Evaluation,
    Evaluations,
    Search(Wanted),
}

impl Endpoint {
    pub const ALL: [Self; 5] = [
        Self::Evaluation,
        Self::Evaluations,
        Self::Search(Wanted::Subject),
        Self::Search(Wanted::Resource),
        Self::Search(Wanted::Action),
    ];

    /// That of a path.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Evaluation => "/access/v1/evaluation",
            Self::Evaluations => "/access/v1/evaluations",
            Self::Search(Wanted::Subject) => "/access/v1/search/subject",
            Self::Search(Wanted::Resource) => "/access/v1/search/resource",
            Self::Search(Wanted::Action) => "/access/v1/search/action",
        }
    }

    /// What it is called where it is told.
    #[must_use]
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Evaluation => "access_evaluation_endpoint",
            Self::Evaluations => "access_evaluations_endpoint",
            Self::Search(Wanted::Subject) => "search_subject_endpoint",
            Self::Search(Wanted::Resource) => "search_resource_endpoint",
            Self::Search(Wanted::Action) => "search_action_endpoint",
        }
    }

    #[must_use]
    pub const fn is_search(self) -> bool {
        matches!(self, Self::Search(_))
    }
}
