//! `postern usernames`: how usernames are unique, and the way from one to the other.

use super::output::{Exit, Output, Record};
use crate::directory::{Directory, People, Usernames, UsernamesChange, Viewer};
use clap::builder::PossibleValue;
use serde::Serialize;

/// Tell how usernames are unique, globally or per organization, or move from one to the other
#[derive(clap::Args)]
pub struct Args {
    /// What they are to be; without it only what they are is told
    #[arg(value_enum)]
    to: Option<Usernames>,
    /// Change nothing: only tell who stands in the way, and whom it would lock out. Exit 1 where somebody stands in the way
    #[arg(long, requires = "to")]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl clap::ValueEnum for Usernames {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Global, Self::PerOrganization]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Global => "Unique among all users",
            Self::PerOrganization => "Unique among those of one primary organization, which a login names",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}

/// What becomes of somebody.
#[derive(Serialize)]
struct Line<'p> {
    user: &'p str,
    problem: &'static str,
}

impl Record for Line<'_> {
    const COLUMNS: &'static [&'static str] = &["user", "problem"];
}

#[derive(Serialize)]
struct Told {
    usernames: Usernames,
}

impl Record for Told {
    const COLUMNS: &'static [&'static str] = &["usernames"];
}

/// Runs the command.
///
/// # Errors
/// What the directory refuses ([`crate::directory::DirectoryError`]), an output that cannot be written.
pub async fn run(args: Args, store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    out.set_json(args.json);
    let Some(to) = args.to else {
        let usernames = store.usernames().await?;
        out.done(&Told { usernames }, Some(usernames.word()), "")?;
        return Ok(Exit::Ok);
    };
    let change = store.as_seen_by(Viewer::Operator).change_usernames(to, args.dry_run).await?;
    let is_possible = change.is_possible();
    if out.is_json() {
        out.show(&change)?;
    } else {
        tell(&change, out)?;
    }
    Ok(if is_possible { Exit::Ok } else { Exit::No })
}

impl Record for UsernamesChange {
    const COLUMNS: &'static [&'static str] = &["from", "to", "done"];
}

/// A kind of people: who they are, what of them, in a list and in a sentence, and what to do.
type Kind<'c> = (&'c People, &'static str, &'static str, Option<&'static str>);

fn tell(change: &UsernamesChange, out: &mut Output) -> anyhow::Result<()> {
    let kinds: [Kind<'_>; 5] = [
        (
            &change.collisions,
            "collision",
            "have a name that others have too",
            Some("postern user edit ORG/USER --username OTHER"),
        ),
        (
            &change.undecided,
            "undecided",
            "belong to several organizations, and none is their primary one",
            Some("postern user organization USER --org ORG"),
        ),
        (
            &change.homeless,
            "homeless",
            "belong to no organization",
            Some("postern member create --org ORG --user USER, or delete them"),
        ),
        (&change.placed, "placed", "belong to one organization, which becomes their primary one", None),
        (&change.locked_out, "locked_out", "will not log in by name, since their organization is disabled", None),
    ];
    let lines = kinds.iter().flat_map(|(people, problem, ..)| people.first.iter().map(|user| Line { user, problem }));
    out.list(&lines.collect::<Vec<_>>())?;
    for (people, _, words, mend) in kinds.iter().filter(|(people, ..)| people.count > 0) {
        let mend = mend.map(|mend| format!(": {mend}")).unwrap_or_default();
        out.note(&format!("{} {words}{mend}", counted(people.count)));
    }
    let UsernamesChange { from, to, .. } = change;
    out.note(&match (change.done, change.is_possible()) {
        (true, _) if from == to => format!("usernames are {to} already"),
        (true, _) => format!("usernames are {to} now; servers start with `identity.login.usernames: {to}`"),
        (false, true) => format!("usernames can become {to}"),
        (false, false) => format!("usernames stay {from}"),
    });
    Ok(())
}

fn counted(users: u64) -> String {
    if users == 1 { "1 user".to_owned() } else { format!("{users} users") }
}
