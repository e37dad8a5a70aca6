//! Runs `flux-judge` and `argo-judge`, which `make judges` builds.

use crate::world::World;
use lab::{ControlPlane, Error};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Columns that align, as docs/gitops.md holds them.
pub fn align(lines: &[Vec<String>]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or_default();
    let mut text = String::new();
    for line in lines {
        let cells =
            line.iter().enumerate().map(|(column, cell)| format!("{cell:width$}", width = width(column)));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Prints a table, which the documentation has to show as it is.
pub fn print_documented(table: &str) {
    println!("\n{table}");
    let page = include_str!("../../../docs/gitops.md");
    assert!(page.contains(table), "docs/gitops.md shows another table than this one");
}

/// Runs a judge about what is in `manifests`, in the namespace of this world, and answers what it printed.
pub async fn judge(world: &World, program: &str, words: &[&str], manifests: &str) -> Result<Value, Error> {
    let kubeconfig = world.plane.kubeconfig().display().to_string();
    let mut all = vec![words[0], "--kubeconfig", &kubeconfig, "--namespace", &world.namespace];
    all.extend(&words[1..]);
    run(program, &all, manifests).await
}

/// Runs a judge with these words only.
pub async fn run(program: &str, words: &[&str], input: &str) -> Result<Value, Error> {
    let launcher = built("control-plane", "launcher", "control-plane")?;
    let program = built("gitops", program, "judges")?;
    let line = format!("`{} {}`", program.display(), words.join(" "));
    let mut command = Command::new(launcher);
    command.args(["exec", "--input", &input.len().to_string(), "--"]).arg(&program).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let ended = tokio::task::spawn_blocking(move || feed(command, &input)).await;
    let output = ended.map_err(|error| Error::Failed(error.to_string()))??;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Failed(format!("{line}: {}\n{why}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The launcher ends the judge when its standard input closes, and that happens however this process ends.
fn feed(mut command: Command, input: &str) -> Result<std::process::Output, Error> {
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        // Should the judge not read it, its output says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    drop(stdin);
    Ok(output)
}

/// A program below target/; an error says how to build it.
fn built(directory: &str, program: &str, target: &str) -> Result<PathBuf, Error> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(directory).join(program);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Failed(format!("{program} is missing at {}: run `make {target}` first", path.display())))
}

/// The namespace of an Argo CD whose argocd-cm was built from deploy/argocd, as a person would.
pub async fn argocd(plane: &'static ControlPlane) -> &'static str {
    static NAMESPACE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let namespace = NAMESPACE.get_or_init(|| async {
        let namespace = plane.namespace("argocd").await.unwrap();
        let install = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gitops/argo/install");
        let kubectl = plane.admin().in_namespace(&namespace);
        kubectl.run(["apply", "--server-side", "-k", install], "").await.unwrap().ok().unwrap();
        namespace
    });
    namespace.await
}

/// A judge about one object that exists already.
pub async fn ask(world: &World, program: &str, words: &[&str], target: &str) -> Value {
    let (kind, name) = kind_and_name(target);
    let manifest = crate::world::object(kind, name, &Value::Null);
    judge(world, program, words, &manifest).await.unwrap()
}

/// The kind and the name of a target of kubectl, such as `auth0userupdate/ann`.
pub fn kind_and_name(target: &str) -> (&'static str, &str) {
    match target.split_once('/') {
        Some(("auth0userupdate", name)) => ("Auth0UserUpdate", name),
        Some(("auth0tenant", name)) => ("Auth0Tenant", name),
        _ => panic!("{target} is neither an auth0userupdate nor an auth0tenant"),
    }
}
