//! Policies of MinIO as this gateway understands them. What it does not know is left out where that allows less, and
//! refused where it would allow more.

use serde_json::{Map, Value, json};

use crate::limits::POLICY_NAME_BYTES_MAX;
use crate::policy::{BUILTIN_NAMES, Document, Kind, PolicyError};

/// A policy as it was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Translated {
    /// The document; `None` if nothing of it is left.
    pub(crate) document: Option<String>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
    /// Whether it allows everything of S3 to everybody who has it, and denies nothing.
    pub(crate) allows_all: bool,
}

/// Reads a policy.
///
/// # Errors
/// If something that it denies is not understood: without that it would allow more.
pub(crate) fn translate(policy: &Value) -> Result<Translated, String> {
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(statement @ Value::Object(_)) => vec![statement.clone()],
        _ => Vec::new(),
    };
    let mut kept = Vec::new();
    let mut left_out = Vec::new();
    for statement in statements {
        let denies = statement.get("Effect").and_then(Value::as_str) != Some("Allow");
        match understood(statement, &mut left_out) {
            Ok(statement) => kept.extend(statement),
            Err(reason) if denies => return Err(format!("a statement that denies is not understood: {reason}")),
            Err(reason) => left_out.push(format!("a statement: {reason}")),
        }
    }
    let allows_all = kept.iter().any(is_everything) && kept.iter().all(|statement| statement["Effect"] == "Allow");
    let document = match kept.is_empty() {
        true => None,
        false => Some(checked(&kept)?),
    };
    Ok(Translated { document, left_out, allows_all })
}

fn checked(statements: &[Value]) -> Result<String, String> {
    let document = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    match Document::parse(Kind::Identity, document.as_bytes()) {
        Ok(_) => Ok(document),
        Err(error) => Err(error.to_string()),
    }
}

/// A statement without the actions that nobody here can do; `None` if there are no others.
fn understood(statement: Value, left_out: &mut Vec<String>) -> Result<Option<Value>, String> {
    let Value::Object(mut fields) = statement else { return Err("it is no object".to_owned()) };
    fields.retain(|_, value| !value.is_null() && *value != "");
    let actions = texts(&fields, "Action");
    let (known, unknown): (Vec<&str>, Vec<&str>) = actions.iter().map(String::as_str).partition(|name| is_action(name));
    left_out.extend(unknown.iter().map(|name| format!("the action {name}")));
    if known.is_empty() && !unknown.is_empty() {
        return Ok(None);
    }
    if !unknown.is_empty() {
        fields.insert("Action".to_owned(), json!(known));
    }
    let statement = Value::Object(fields);
    checked(std::slice::from_ref(&statement)).map(|_| Some(statement))
}

/// Whether somebody here can do it: those of other services are in no way wrong, but nobody's.
fn is_action(name: &str) -> bool {
    let service = name.split_once(':').map_or(name, |(service, _)| service).to_ascii_lowercase();
    let statement = json!({ "Effect": "Allow", "Action": name, "Resource": "*" });
    let document = json!({ "Statement": statement }).to_string();
    ["*", "s3", "sts"].contains(&service.as_str())
        && !matches!(Document::parse(Kind::Identity, document.as_bytes()), Err(PolicyError::Action))
}

/// One text, or a list of them.
fn texts(fields: &Map<String, Value>, name: &str) -> Vec<String> {
    match fields.get(name) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn is_everything(statement: &Value) -> bool {
    let Value::Object(fields) = statement else { return false };
    let has = |name, wanted: [&str; 2]| texts(fields, name).iter().any(|text| wanted.contains(&text.as_str()));
    has("Action", ["s3:*", "*"]) && has("Resource", ["arn:aws:s3:::*", "*"]) && !fields.contains_key("Condition")
}

/// A name that a policy of a key may have, as like the given one as can be.
pub(crate) fn policy_name(name: &str) -> String {
    let legal = |character: char| character.is_ascii_alphanumeric() || "+=,.@_-".contains(character);
    let legal: String = name.chars().map(|character| if legal(character) { character } else { '_' }).collect();
    let legal = if BUILTIN_NAMES.contains(&legal.as_str()) { format!("minio-{legal}") } else { legal };
    legal.chars().take(POLICY_NAME_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{policy_name, translate};
    use crate::policy::{Document, Kind};

    #[test]
    fn what_is_known_is_kept_as_it_is() {
        let policy = json!({"ID": "", "Version": "2012-10-17", "Statement": [{"Sid": "", "Effect": "Allow",
            "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"],
            "Condition": {"StringResembles": {"s3:prefix": ["a"]}}}]});
        // A condition that is not understood would be no condition.
        let translated = translate(&policy).unwrap();
        assert!(translated.document.is_none() && translated.left_out.len() == 1, "{translated:?}");
        let policy =
            json!({"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]}]});
        let translated = translate(&policy).unwrap();
        assert!(Document::parse(Kind::Identity, translated.document.unwrap().as_bytes()).is_ok());
        assert!(translated.left_out.is_empty() && !translated.allows_all);
    }

    #[test]
    fn actions_of_minio_alone_are_left_out_and_told() {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["admin:*"]},
            {"Effect": "Allow", "Action": ["kms:*"]},
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]},
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:Prefetch"], "Resource": ["arn:aws:s3:::b/*"]}]});
        let translated = translate(&policy).unwrap();
        assert_eq!(translated.left_out, ["the action admin:*", "the action kms:*", "the action s3:Prefetch"]);
        assert!(translated.allows_all);
        assert!(!translated.document.unwrap().contains("Prefetch"));
        let only_admin = json!({"Statement": [{"Effect": "Allow", "Action": ["admin:ServerInfo"]}]});
        assert_eq!(translate(&only_admin).unwrap().document, None);
    }

    #[test]
    fn what_denies_is_never_lost() {
        let deny = |extra: serde_json::Value| json!({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, extra]});
        let unknown = deny(json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*",
            "Condition": {"Whatever": {"s3:x": "y"}}}));
        assert!(translate(&unknown).is_err());
        // Nobody can do here what it denies.
        let admin = deny(json!({"Effect": "Deny", "Action": ["admin:*"]}));
        assert!(translate(&admin).unwrap().allows_all);
        let known = deny(json!({"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}));
        assert!(!translate(&known).unwrap().allows_all);
    }

    #[test]
    fn names_become_legal() {
        assert_eq!(policy_name("team a/ü"), "team_a__");
        assert_eq!(policy_name("read-only"), "minio-read-only");
        assert_eq!(policy_name(&"n".repeat(100)).len(), 64);
    }
}
