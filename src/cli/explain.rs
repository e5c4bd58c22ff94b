//! `explain`: why a running server refused a request, or the last ones that it refused.

use std::path::Path;
use std::process::ExitCode;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::control::tell;
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};

/// Arguments of `explain`.
#[derive(clap::Args)]
pub struct ExplainArgs {
    /// Id of the request, as x-amz-request-id and the error document name it; without one, the last refusals are listed
    #[arg(value_name = "REQUEST_ID")]
    id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Asks the running server and prints what it remembers.
///
/// # Errors
/// If no server runs there, or it does not remember the request.
pub fn run(arguments: &ExplainArgs) -> Result<ExitCode, Failure> {
    let data_dir = arguments.store.data_dir()?;
    match &arguments.id {
        Some(id) => one(&data_dir, id, arguments.json)?,
        None => last(&data_dir, arguments.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn one(data_dir: &Path, id: &str, json: bool) -> Result<(), Failure> {
    let path = format!("/v1/requests/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
    let request = tell(data_dir, Method::GET, &path, None)?;
    if json {
        output::json(&request);
    } else {
        told(&request).iter().for_each(|line| output::line(line));
    }
    Ok(())
}

fn last(data_dir: &Path, json: bool) -> Result<(), Failure> {
    let answer = tell(data_dir, Method::GET, "/v1/requests?status=refused&limit=20", None)?;
    if json {
        output::json(&answer);
        return Ok(());
    }
    let rows: Vec<_> = answer["requests"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        output::line("no request was refused that is remembered");
    } else {
        output::table(&["ID", "AT", "STATUS", "CODE", "WHO", "OPERATION", "BUCKET"], &rows);
    }
    Ok(())
}

/// Text as it may be shown on a terminal: a client may have chosen it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => output::key(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn row(request: &Value) -> Vec<String> {
    let who = if request["name"] == "" { &request["access_key_id"] } else { &request["name"] };
    let cells = [&request["id"], &request["at"], &request["status"], &request["code"], who, &request["operation"]];
    cells.into_iter().chain([&request["bucket"]]).map(text).collect()
}

fn told(request: &Value) -> Vec<String> {
    let explanation = &request["explanation"];
    let mut lines = vec![format!(
        "{} {} {} {}",
        text(&request["method"]),
        text(&request["path"]),
        text(&request["status"]),
        text(&request["code"])
    )];
    if explanation.is_null() {
        lines.push("It was not refused, so there is nothing to explain.".to_owned());
    } else {
        lines.push(text(&explanation["sentence"]));
    }
    let mut facts: Vec<(String, String)> = [("at", "at"), ("peer", "from"), ("name", "key"), ("user_agent", "client")]
        .into_iter()
        .map(|(field, name)| (name.to_owned(), text(&request[field])))
        .collect();
    let found = explanation["facts"].as_array().into_iter().flatten();
    facts.extend(found.map(|fact| (text(&fact["name"]), text(&fact["value"]))));
    facts.retain(|(_, value)| !value.is_empty());
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    lines.extend(facts.iter().map(|(name, value)| format!("  {name:<width$}  {value}")));
    for (field, title) in [("canonical_request", "canonical request"), ("string_to_sign", "string to sign")] {
        if let Some(signed) = explanation[field].as_str() {
            lines.push(format!("{title}, as this server reads it:"));
            lines.extend(signed.lines().map(|line| format!("  | {}", output::key(line))));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{row, told};

    #[test]
    fn an_explanation_is_told_line_by_line_and_cannot_write_over_the_terminal() {
        let request = json!({
            "method": "GET", "path": "/b/\u{1b}[2J", "status": 403, "code": "SignatureDoesNotMatch", "at": "T",
            "peer": "p", "name": "", "user_agent": "aws-cli", "id": "1", "access_key_id": "AK", "operation": "GetObject",
            "bucket": "b",
            "explanation": {
                "sentence": "A proxy changed Host.", "facts": [{"name": "Host as it arrived", "value": "b"}],
                "canonical_request": "GET\n/b", "string_to_sign": null,
            },
        });
        let lines = told(&request);
        assert_eq!(lines[0], "GET /b/\\u{1b}[2J 403 SignatureDoesNotMatch");
        assert_eq!(lines[1], "A proxy changed Host.");
        assert!(lines.contains(&"  Host as it arrived  b".to_owned()), "{lines:?}");
        assert!(lines.ends_with(&["  | GET".to_owned(), "  | /b".to_owned()]), "{lines:?}");
        assert_eq!(row(&request), ["1", "T", "403", "SignatureDoesNotMatch", "AK", "GetObject", "b"]);
    }
}
