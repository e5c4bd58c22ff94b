//! Any bytes as the form of a request.

use crate::limits::{ROLE_SESSION_SECONDS_MAX, SESSION_POLICIES_MAX, SESSION_SECONDS_MIN};
use crate::s3::sts::action::Action;
use crate::tests::fuzz::{self, Target};

const TOKENS: [&str; 20] = [
    "Action=",
    "AssumeRole",
    "GetSessionToken",
    "GetCallerIdentity",
    "&Version=2011-06-15",
    "&RoleArn=",
    "arn:aws:iam::000000000000:role/ops",
    "&RoleSessionName=",
    "&DurationSeconds=",
    "900",
    "43200",
    "&Policy=",
    "%7B%22Statement%22%3A",
    "&PolicyArns.member.1.arn=",
    "arn:aws:iam::aws:policy/",
    "&",
    "=",
    "%",
    "+",
    "&Tags",
];

fn check(input: &[u8]) {
    let Ok(action) = Action::read(input) else { return };
    let seconds = match &action {
        Action::AssumeRole { seconds, ready_made, .. } => {
            assert!(ready_made.len() <= SESSION_POLICIES_MAX);
            *seconds
        }
        Action::GetSessionToken { seconds } => *seconds,
        Action::GetCallerIdentity => return,
    };
    assert!(seconds >= SESSION_SECONDS_MIN);
    let is_role = matches!(action, Action::AssumeRole { .. });
    assert!(!is_role || seconds <= ROLE_SESSION_SECONDS_MAX);
}

#[test]
fn no_form_panics_and_no_session_is_longer_than_it_may_be() {
    fuzz::run(&Target { name: "sts", runs: 15_000, tokens: &TOKENS, law: &check });
}
