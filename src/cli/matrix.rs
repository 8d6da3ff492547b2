//! `postern matrix`: who may do what on every route, and what an edit opens or closes.

use super::policies::{Early, Pages, on_standard_pages};
use super::{Common, Failure};
use crate::policy::Names;
use crate::tools::matrix::{Matrix, compare};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show who may do what: every route, for every kind of person, in their own and in a foreign organization.
///
/// With --against, only what became wider or narrower, also what a verdict does not show (where a request goes, what the
/// upstream is told). Exit 0; 1 where something became wider and --allow-wider is not given, or a file has mistakes; 2 where
/// a file cannot be read.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Route policy, instead of `policy` of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// The policy as it was: show only what is different
    #[arg(long, value_name = "OLD", num_args = 1..)]
    pub against: Vec<PathBuf>,
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
    Ok(on_standard_pages(|pages| show(args, &files, names.as_ref(), pages)))
}

/// Shows on the given pages.
///
/// # Errors
/// It ends early, with an exit code and after saying why.
pub fn show(args: &Args, files: &[PathBuf], names: Option<&Names>, pages: &mut Pages<'_>) -> Result<u8, Early> {
    if files.is_empty() {
        return Err(pages.usage("there is no policy to show", "name it: --policy routes.yaml"));
    }
    let policy = pages.policy(files, names)?;
    if args.against.is_empty() {
        let matrix = Matrix::of(&policy);
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

#[cfg(test)]
mod tests {
    use super::{Args, Early, Pages, show};
    use std::path::PathBuf;

    /// Exit code and standard output.
    fn told(args: &Args) -> (u8, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut pages = Pages { out: &mut out, err: &mut err, colour: false };
        let code = show(args, &args.policy, None, &mut pages).or_else(Early::code).unwrap();
        (code, String::from_utf8(out).unwrap())
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
