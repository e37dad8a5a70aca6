//! Where the manifests go: standard output, or a folder.

use crate::command::Problem;
use crate::command::export::Manifest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

const KUSTOMIZATION: &str = "kustomization.yaml";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kustomization<'a> {
    api_version: &'static str,
    kind: &'static str,
    resources: Vec<&'a str>,
}

/// Prints them as one stream of documents.
pub(super) fn print(manifests: &[Manifest]) -> Result<(), Problem> {
    let text: String = manifests.iter().map(|manifest| manifest.text.as_str()).collect();
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Problem(format!("standard output cannot be written: {error}")))
}

/// Writes each into a file of its own. A file that holds something else is left, and nothing is written then, unless it
/// may be overwritten. A kustomization.yaml that is there is always left.
pub(super) fn write_files(folder: &Path, manifests: &[Manifest], overwrite: bool) -> Result<(), Problem> {
    let files: BTreeMap<&str, &str> =
        manifests.iter().map(|manifest| (manifest.file.as_str(), manifest.text.as_str())).collect();
    if files.len() < manifests.len() {
        let message = "two users would go into one file: export them into folders of their own";
        return Err(Problem(message.to_owned()));
    }
    let mut others: Vec<&str> = files.keys().copied().collect();
    others.retain(|name| fs::read(folder.join(name)).is_ok_and(|held| held != files[name].as_bytes()));
    if !overwrite && !others.is_empty() {
        return Err(Problem(format!(
            "{} holds other content for {}: nothing was written; remove the files, or add --overwrite",
            folder.display(),
            others.join(", ")
        )));
    }
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
    for (name, text) in &files {
        write(&folder.join(name), text)?;
    }
    let told = kustomization(folder, files.keys().copied().collect())?;
    let count = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
    let _ = writeln!(io::stderr(), "wrote {count} to {}{told}", folder.display());
    Ok(())
}

/// Lists the files for kustomize. Answers what is to be told.
fn kustomization(folder: &Path, resources: Vec<&str>) -> Result<&'static str, Problem> {
    let path = folder.join(KUSTOMIZATION);
    let listed =
        Kustomization { api_version: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", resources };
    let text = serde_saphyr::to_string(&listed).map_err(|error| unwritten(&path, &error))?;
    match fs::read(&path) {
        Ok(held) if held == text.as_bytes() => Ok(""),
        Ok(_) => Ok("; its kustomization.yaml is left as it is: list new files there"),
        Err(_) => write(&path, &text).map(|()| ", and a kustomization.yaml"),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    fs::write(path, text).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &dyn std::error::Error) -> Problem {
    Problem(format!("{} cannot be written: {error}", path.display()))
}
