//! `postern matrix`: who may do what on every route, and what an edit opens or closes.

use super::facts::{self, StoredFacts};
use super::policies::{Early, Pages, on_standard_pages};
use super::{Common, Failure};
use crate::directory::token::quoted;
use crate::policy::Names;
use crate::tools::matrix::{Matrix, Person, compare};
use crate::tools::world::ANONYMOUS;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show who may do what: every route, for every kind of person, in their own and in a foreign organization.
///
/// With --as, real people from the configured database: each in each of their organizations, and elsewhere. With --against,
/// only what became wider or narrower, also what a verdict does not show (where a request goes, what the upstream is told).
/// Exit 0; 1 where something became wider and --allow-wider is not given, or a file has mistakes; 2 where a file cannot be
/// read, or there is no such user.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Route policy, instead of `policy` of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// The policy as it was: show only what is different
    #[arg(long, value_name = "OLD", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// Real people: ids, usernames or e-mail addresses (with --world: names from it), or `anonymous`
    #[arg(long = "as", value_name = "USER", num_args = 1.., conflicts_with = "against")]
    pub people: Vec<String>,
    /// Take them from the `given` of a tests file, not from the database
    #[arg(long, value_name = "FILE", requires = "people")]
    pub world: Option<PathBuf>,
    /// What became wider is no failure
    #[arg(long, requires = "against")]
    pub allow_wider: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// The configuration is needed and cannot be used.
pub fn run(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let (names, files) = common.policies(&args.policy)?;
    let directory = if args.people.is_empty() || args.world.is_some() {
        None
    } else {
        let config = Common::configuration(&common.sources())?;
        Some(StoredFacts::open(&config)?)
    };
    Ok(on_standard_pages(|pages| show(args, &files, names.as_ref(), directory.as_ref(), pages)))
}

/// Shows on the given pages.
///
/// # Errors
/// It ends early, with an exit code and after saying why.
pub fn show(
    args: &Args,
    files: &[PathBuf],
    names: Option<&Names>,
    directory: Option<&StoredFacts>,
    pages: &mut Pages<'_>,
) -> Result<u8, Early> {
    if files.is_empty() {
        return Err(pages.usage("there is no policy to show", "name it: --policy routes.yaml"));
    }
    let policy = pages.policy(files, names)?;
    if args.against.is_empty() {
        let matrix = if args.people.is_empty() {
            Matrix::of(&policy)
        } else {
            Matrix::of_people(&policy, &people(args, directory, pages)?)
        };
        if args.json {
            writeln!(pages.out, "{}", matrix.to_json())?;
        } else {
            write!(pages.out, "{}", matrix.to_text(pages.colour))?;
        }
        return Ok(0);
    }
    let old = pages.policy(&args.against, names)?;
    let comparison = compare(&old, &policy);
    if args.json {
        writeln!(pages.out, "{}", comparison.to_json())?;
    } else {
        write!(pages.out, "{}", comparison.to_text(pages.colour))?;
    }
    Ok(u8::from(!comparison.wider.is_empty() && !args.allow_wider))
}

/// The people who are asked for.
fn people(args: &Args, directory: Option<&StoredFacts>, pages: &mut Pages<'_>) -> Result<Vec<Person>, Early> {
    let world = args.world.as_ref().map(|file| facts::world(file, pages)).transpose()?;
    let mut list = Vec::with_capacity(args.people.len());
    for name in &args.people {
        let found = match (&world, directory) {
            _ if name == ANONYMOUS => Ok(None),
            (Some(world), _) => Ok(world.user(name).cloned()),
            (None, Some(directory)) => directory.user(name),
            (None, None) => Ok(None),
        };
        let person = found.and_then(|snapshot| {
            let theirs = |id| snapshot.as_ref().is_some_and(|snapshot| snapshot.membership(id).is_some());
            let elsewhere = match (&world, directory) {
                (Some(world), _) => world.organizations().iter().find(|o| o.is_active && !theirs(o.id)).cloned(),
                (None, Some(directory)) => directory.elsewhere(snapshot.as_deref())?,
                (None, None) => None,
            };
            Ok(Person { snapshot, elsewhere })
        });
        match person {
            Ok(person) if person.snapshot.is_some() || name == ANONYMOUS => list.push(person),
            Ok(_) => {
                let hint = "name a user by id, username or e-mail address, or `anonymous`";
                return Err(pages.usage(&format!("there is no user {}", quoted(name)), hint));
            }
            Err(error) => {
                writeln!(pages.err, "error: {}", super::output::chain(&error))?;
                return Err(Early::Exit(1));
            }
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::{Args, Early, Pages, show};
    use std::path::PathBuf;

    /// Exit code and standard output.
    fn told(args: &Args) -> (u8, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut pages = Pages { out: &mut out, err: &mut err, colour: false };
        let code = show(args, &args.policy, None, None, &mut pages).or_else(Early::code).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn real_people_are_asked_in_their_own_organizations_and_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let policy = write(
            "routes.yaml",
            "version: 1\nroutes:\n  /me: authenticated\n  /o/{org:slug}: { org: path.org as slug, read: member, write: owner }\n",
        );
        let world = write(
            "world.yaml",
            "given:\n  organizations: { acme: {}, bolt: {}, core: {} }\n  users: { ann: { acme: owner, bolt: member }, eve: {}, root: superuser }\n",
        );
        let people = ["ann", "eve", "root", "anonymous"].map(str::to_owned).to_vec();
        let args = Args { policy: vec![policy], people, world: Some(world), ..Args::default() };
        let (code, out) = told(&args);
        let rows: Vec<Vec<&str>> =
            out.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
        assert_eq!(code, 0);
        // Ids decide the order of organizations.
        let heads = &rows[0];
        let at = |head: &str| heads.iter().position(|h| *h == head).unwrap_or_else(|| panic!("{head} in {heads:?}"));
        assert_eq!(heads.len(), 8, "{heads:?}");
        let cell = |row: usize, head: &str| rows[row][at(head)];
        assert_eq!((rows[2][0], rows[2][1]), ("/o/{org:slug}", "read"), "{out}");
        for (head, me, read, write) in [
            ("ann in acme", "allow", "allow", "allow"),
            ("ann in bolt", "allow", "allow", "403"),
            ("ann elsewhere", "-", "403", "403"),
            ("eve", "allow", "403", "403"),
            ("root", "allow", "allow", "allow"),
            ("anonymous", "401", "401", "401"),
        ] {
            assert_eq!((cell(1, head), cell(2, head), cell(3, head)), (me, read, write), "{head}: {out}");
        }
        assert_eq!(told(&Args { people: vec!["nobody".to_owned()], ..args }).0, 2);
    }

    #[test]
    fn wider_is_a_failure_that_can_be_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, level: &str| -> PathBuf {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("version: 1\nroutes: {{ /x: {level} }}\n")).unwrap();
            path
        };
        let (old, new) = (file("old.yaml", "manager"), file("new.yaml", "member"));
        let args = Args { policy: vec![new.clone()], against: vec![old.clone()], ..Args::default() };
        let (code, out) = told(&args);
        assert_eq!(code, 1);
        assert!(
            out.starts_with("wider: /x (") && out.contains("any: member\n    403 org_level_missing -> allow\n"),
            "{out}"
        );
        assert!(out.ends_with("1 wider, 0 narrower\n"), "{out}");
        assert_eq!(told(&Args { allow_wider: true, ..args.clone() }).0, 0);
        let (code, out) = told(&Args { policy: vec![old.clone()], against: vec![new], json: true, ..args.clone() });
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &json["narrower"][0]["now"]), (0, &"403 org_level_missing".into()));
        let (code, out) = told(&Args { policy: vec![old.clone()], against: vec![], ..args.clone() });
        assert!(code == 0 && out.starts_with("ROUTE  METHODS  anonymous  outsider  member"), "{out}");
        assert_eq!(told(&Args { policy: vec![], ..args.clone() }).0, 2);
        assert_eq!(told(&Args { policy: vec![old, dir.path().join("none")], ..args }).0, 2);
    }
}
