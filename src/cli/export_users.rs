//! `postern export-users`: all users as openwisp-users exports them, in CSV.

use super::bar::Bar;
use super::output::{Exit, Output};
use crate::directory::{Directory, ExportedUser, List, Viewer};
use crate::export::{Column, csv};
use anyhow::{Context, ensure};
use std::io::Write;
use std::path::Path;

/// Export all users to a CSV file, with the hashes of their passwords, as openwisp-users does
#[derive(clap::Args)]
pub struct Args {
    /// Columns to leave out, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    exclude_fields: Vec<String>,
    /// The file, which nobody else may read; - is the standard output
    #[arg(long, value_name = "FILE", default_value = "openwisp_exported_users.csv")]
    filename: String,
}

/// Runs the command.
///
/// # Errors
/// The store fails; the file cannot be written.
pub async fn run(args: Args, columns: &[Column], store: &Directory, out: &mut Output) -> anyhow::Result<Exit> {
    let excluded: Vec<&str> =
        args.exclude_fields.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    for name in &excluded {
        ensure!(columns.iter().any(|column| column.name == *name), "there is no column `{name}`");
    }
    let columns: Vec<Column> = columns.iter().filter(|column| !excluded.contains(&&*column.name)).cloned().collect();
    let total = store.as_seen_by(Viewer::Operator).users(&List::default().counted()).await?.total;
    if args.filename == "-" {
        write(std::io::stdout(), columns, store, total).await?;
        return Ok(Exit::Ok);
    }
    // Whole or not at all, and nobody else's to read: there are hashes in it.
    let path = Path::new(&args.filename);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritable = || format!("cannot write {}", path.display());
    let file = tempfile::NamedTempFile::new_in(folder).with_context(unwritable)?;
    write(file.reopen().with_context(unwritable)?, columns, store, total).await.with_context(unwritable)?;
    file.persist(path).with_context(unwritable)?;
    out.note(&format!("User data exported successfully to {}!", args.filename));
    Ok(Exit::Ok)
}

async fn write(
    mut file: impl Write + Send + 'static,
    columns: Vec<Column>,
    store: &Directory,
    total: u64,
) -> anyhow::Result<()> {
    csv::write(&mut file, &columns.iter().map(|column| column.header().to_owned()).collect::<Vec<_>>())?;
    let (mut bar, mut done) = (Bar::new("exporting"), 0);
    let take = move |users: &[ExportedUser]| {
        let mut lines = Vec::new();
        for user in users {
            csv::write(&mut lines, &columns.iter().map(|column| column.text(user)).collect::<Vec<_>>())?;
        }
        done += users.len() as u64;
        bar.tell(done, total);
        if done >= total {
            bar.end();
        }
        file.write_all(&lines)?;
        file.flush()
    };
    Ok(store.export_users(take).await?)
}
