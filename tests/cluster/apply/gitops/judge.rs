//! Asks `flux-judge` and `argo-judge`, which `make judges` builds. One of each answers all tests of this process.

use crate::world::World;
use lab::{ControlPlane, Error};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::sync::{OnceCell, oneshot};

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

/// The words of a text, whatever its lines.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of docs/gitops.md.
pub fn page() -> String {
    words(include_str!("../../../../docs/gitops.md"))
}

/// Prints a table, which the documentation has to show as it is.
pub fn print_documented(table: &str) {
    println!("\n{table}");
    let page = include_str!("../../../../docs/gitops.md");
    assert!(page.contains(table), "docs/gitops.md shows another table than this one");
}

/// Asks a judge about what is in `manifests`, in the namespace of this world.
pub async fn judge(world: &World, program: &str, words: &[&str], manifests: &str) -> Result<Value, Error> {
    let mut all = vec![words[0], "--namespace", &world.namespace];
    all.extend(&words[1..]);
    run(program, &all, manifests).await
}

/// Asks a judge with these words only.
pub async fn run(program: &str, words: &[&str], input: &str) -> Result<Value, Error> {
    static JUDGES: OnceCell<[Judge; 2]> = OnceCell::const_new();
    let judges = JUDGES.get_or_try_init(async || {
        let plane = ControlPlane::shared().await?;
        crate::world::install_crds(plane).await;
        Ok::<_, Error>([Judge::start("flux-judge", plane)?, Judge::start("argo-judge", plane)?])
    });
    let judge = judges.await?.iter().find(|judge| judge.program == program).unwrap();
    let said = judge.ask(words, input).await;
    said.map_err(|why| Error::Failed(format!("`{program} {}`: {why}", words.join(" "))))
}

/// What a judge said, or why it said nothing.
type Said = Result<Value, String>;

/// A judge that answers for as long as this process runs: it ends with its standard input.
struct Judge {
    program: &'static str,
    questions: Mutex<(ChildStdin, u64)>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Said>>>>,
}

impl Judge {
    fn start(program: &'static str, plane: &ControlPlane) -> Result<Self, Error> {
        let mut command = Command::new(built("gitops", program, "judges")?);
        command.arg("--kubeconfig").arg(plane.kubeconfig()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let waiting = Arc::<Mutex<HashMap<u64, oneshot::Sender<Said>>>>::default();
        let told = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let reply: Value = serde_json::from_str(&line).unwrap();
                let said = reply["error"]
                    .as_str()
                    .map_or_else(|| Ok(reply["said"].clone()), |why| Err(why.to_owned()));
                let asked = told.lock().unwrap().remove(&reply["id"].as_u64().unwrap());
                drop(asked.unwrap().send(said));
            }
            // Whoever waits is told that it has ended.
            told.lock().unwrap().clear();
            drop(child.wait());
        });
        Ok(Self { program, questions: Mutex::new((stdin, 0)), waiting })
    }

    async fn ask(&self, words: &[&str], input: &str) -> Said {
        let (sender, answer) = oneshot::channel();
        {
            let mut questions = self.questions.lock().unwrap();
            let (stdin, number) = &mut *questions;
            *number += 1;
            self.waiting.lock().unwrap().insert(*number, sender);
            let question = json!({"id": *number, "words": words, "input": input});
            writeln!(stdin, "{question}").map_err(|error| error.to_string())?;
        }
        answer.await.unwrap_or_else(|_| Err("the judge has ended: its own output says why".to_owned()))
    }
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
    static NAMESPACE: OnceCell<String> = OnceCell::const_new();
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
