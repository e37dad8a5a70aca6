use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use crate::output::{Output, run};
use crate::{Error, Result};

/// How long a checker may take.
const DEADLINE: Duration = Duration::from_mins(2);

/// Runs a program that `make checkers` builds, such as helm; what it finds is a normal outcome: see
/// [`Output::ok`].
///
/// # Errors
/// When it was not built, cannot be run, or takes longer than two minutes.
pub async fn check<A>(name: &str, args: A, envs: &[(&str, &OsStr)], stdin: &str) -> Result<Output>
where
    A: IntoIterator<Item: AsRef<OsStr>>,
{
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/checkers").join(name);
    if !program.is_file() {
        let path = program.display();
        return Err(Error::Failed(format!("{name} is missing at {path}: run `make checkers` first")));
    }
    let words: Vec<_> = args.into_iter().map(|word| word.as_ref().to_owned()).collect();
    run(&program, &words, envs, stdin, DEADLINE).await
}
