//! What a running server saw of its clients.

use std::path::Path;

use http::Method;
use serde_json::Value;

use crate::app::data_dir::admin_socket;
use crate::cli::control;
use crate::cli::doctor::peer::judge_difference;
use crate::cli::doctor::{Finding, Grade};
use crate::cli::output::describe;

/// How far this machine's clock is from those of the clients that sent signed requests within a day; nothing if no
/// server runs.
pub fn clock(data_dir: &Path) -> Option<Finding> {
    // The socket of a server that was killed stays: nobody answers then.
    if !admin_socket(data_dir).exists() {
        return None;
    }
    match control::tell(data_dir, Method::GET, "/v1/overview", None) {
        Ok(overview) => judge(&overview["client_clocks"]),
        Err(error) => {
            let detail = format!("those of clients are not known: {}", describe(error.as_ref()));
            Some(Finding::new(Grade::Good, "clock", detail))
        }
    }
}

/// The client in the middle decides: a few that are wrong say nothing about this machine.
fn judge(clocks: &Value) -> Option<Finding> {
    let number = |name: &str| clocks[name].as_i64();
    let (clients, ahead) = (number("clients")?, number("median_seconds")?);
    let them = if clients == 1 { "the one client".to_owned() } else { format!("most of {clients} clients") };
    Some(judge_difference(ahead.saturating_neg(), &format!("that of {them} within a day")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::judge;
    use crate::cli::doctor::Grade;

    #[test]
    fn the_machine_is_judged_by_the_client_in_the_middle() {
        assert_eq!(judge(&Value::Null), None);
        let judged = |median| {
            let clocks = json!({"clients": 3, "median_seconds": median, "farthest_seconds": 9000});
            judge(&clocks).map(|finding| (finding.grade, finding.detail))
        };
        let same = "the same as that of most of 3 clients within a day";
        assert_eq!(judged(2), Some((Grade::Good, same.to_owned())));
        let behind = "60 s behind that of most of 3 clients within a day: run a time service";
        assert_eq!(judged(60), Some((Grade::Warning, behind.to_owned())));
        assert_eq!(judged(-3600).unwrap().0, Grade::Bad);
    }
}
