//! The actions: AssumeRole, GetSessionToken, GetCallerIdentity.
//!
//! The one role that a key may assume is its own, `arn:aws:iam::ACCOUNT:role/NAME`: the session may do what the key
//! may, cut down by the policies that it names. Nobody gains a right by a session, so nothing has to allow it; a policy
//! of the key may deny `sts:AssumeRole`. In policies a session is its key: a statement that names the key means its
//! sessions too. A session makes no further sessions.

use std::sync::Arc;

use crate::identity::{NewSession, Principal, SessionCredentials, account_id, check_session_policy, ready_made_names};
use crate::limits::{
    ROLE_SESSION_SECONDS_DEFAULT, ROLE_SESSION_SECONDS_MAX, SESSION_NAME_BYTES_MAX, SESSION_NAME_BYTES_MIN,
    SESSION_POLICIES_MAX, SESSION_SECONDS_MIN, STS_PARAMETERS_MAX, TOKEN_SESSION_SECONDS_DEFAULT,
    TOKEN_SESSION_SECONDS_MAX,
};
use crate::net::Peer;
use crate::policy::{
    Caller, Document, MapContext, PolicyError, Principal as Named, Request, Target, Verdict, evaluate,
};
use crate::s3::Gateway;
use crate::s3::query::Query;
use crate::s3::sts::error::{StsCode, StsError};
use crate::s3::xml::XmlWriter;
use crate::types::Timestamp;

/// The version of the API, as every request names it.
const VERSION: &str = "2011-06-15";
/// How ready-made policies are named.
const READY_MADE: &str = "arn:aws:iam::aws:policy/";

/// Who asks, from where and when.
pub(super) struct Asker<'a> {
    pub(super) principal: &'a Principal,
    pub(super) peer: Option<Peer>,
    pub(super) now: Timestamp,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    AssumeRole { role: String, session: String, policy: Option<String>, ready_made: Vec<String>, seconds: u64 },
    GetSessionToken { seconds: u64 },
    GetCallerIdentity,
}

impl Action {
    /// Reads a form. A parameter that means nothing here is refused: it may be meant as a limit.
    pub(super) fn read(form: &[u8]) -> Result<Self, StsError> {
        let form = std::str::from_utf8(form).ok().and_then(Query::parse);
        let form = form.ok_or_else(|| StsError::validation("The request body is no form."))?;
        let mut form = Form::new(&form)?;
        let action = form.take("Action").ok_or_else(|| {
            StsError::new(StsCode::MissingAction, "The request is missing an action or a required parameter.")
        })?;
        let version = form.take("Version");
        let unknown = || {
            let message = format!("Could not find operation {action} for version {}", version.unwrap_or("NO_VERSION"));
            StsError::new(StsCode::InvalidAction, message)
        };
        if version.is_some_and(|version| version != VERSION) {
            return Err(unknown());
        }
        let read = match action {
            "AssumeRole" => Self::AssumeRole {
                role: form.require("RoleArn")?,
                session: session_name(form.require("RoleSessionName")?)?,
                policy: session_policy(form.take("Policy"))?,
                ready_made: ready_made(&mut form)?,
                seconds: seconds(&mut form, ROLE_SESSION_SECONDS_DEFAULT, ROLE_SESSION_SECONDS_MAX)?,
            },
            "GetSessionToken" => Self::GetSessionToken {
                seconds: seconds(&mut form, TOKEN_SESSION_SECONDS_DEFAULT, TOKEN_SESSION_SECONDS_MAX)?,
            },
            "GetCallerIdentity" => Self::GetCallerIdentity,
            _ => return Err(unknown()),
        };
        form.finish()?;
        Ok(read)
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::AssumeRole { .. } => "AssumeRole",
            Self::GetSessionToken { .. } => "GetSessionToken",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }

    /// The root element of its answer.
    pub(super) fn response_element(&self) -> &'static str {
        match self {
            Self::AssumeRole { .. } => "AssumeRoleResponse",
            Self::GetSessionToken { .. } => "GetSessionTokenResponse",
            Self::GetCallerIdentity => "GetCallerIdentityResponse",
        }
    }

    /// Does it and writes its result.
    pub(super) fn run(self, gateway: &Gateway, asker: &Asker<'_>, xml: &mut XmlWriter) -> Result<(), StsError> {
        let caller = CallerName::of(asker.principal)?;
        match self {
            Self::GetCallerIdentity => {
                xml.open("GetCallerIdentityResult").text("Arn", caller.arn()).text("UserId", caller.user_id());
                xml.text("Account", &caller.account).close();
            }
            Self::GetSessionToken { seconds } => {
                caller.refuse_session("GetSessionToken")?;
                let new = NewSession { role_session: None, policy: None, ready_made: Vec::new(), seconds };
                let credentials = begin(gateway, &caller, new, asker.now)?;
                xml.open("GetSessionTokenResult");
                write_credentials(xml, &credentials);
                xml.close();
            }
            Self::AssumeRole { role, session, policy, ready_made, seconds } => {
                caller.refuse_session("AssumeRole")?;
                caller.check_role(&role, &session, asker)?;
                let new = NewSession { role_session: Some(session.clone()), policy, ready_made, seconds };
                let credentials = begin(gateway, &caller, new, asker.now)?;
                xml.open("AssumeRoleResult").open("AssumedRoleUser");
                xml.text("Arn", caller.session_arn(&session));
                xml.text("AssumedRoleId", format!("{}:{session}", caller.access_key_id)).close();
                write_credentials(xml, &credentials);
                xml.close();
            }
        }
        Ok(())
    }
}

fn begin(
    gateway: &Gateway,
    caller: &CallerName<'_>,
    new: NewSession,
    now: Timestamp,
) -> Result<SessionCredentials, StsError> {
    let failed = |error| StsError::new(StsCode::InternalFailure, "The request has failed.").because(error);
    let made = gateway.keyring.begin_session(caller.access_key_id, new, now).map_err(failed)?;
    made.ok_or_else(|| StsError::new(StsCode::InvalidClientTokenId, "The access key was removed."))
}

fn write_credentials(xml: &mut XmlWriter, credentials: &SessionCredentials) {
    xml.open("Credentials")
        .text("AccessKeyId", &credentials.access_key_id)
        .text("SecretAccessKey", credentials.secret.as_str())
        .text("SessionToken", &credentials.token)
        .text("Expiration", credentials.expires.iso_millis())
        .close();
}

/// A known principal, as this service names it.
struct CallerName<'a> {
    account: String,
    owner: &'a str,
    name: &'a str,
    access_key_id: &'a str,
    is_root: bool,
    policies: &'a [Arc<Document>],
    /// The id and the name of its session.
    session: Option<(&'a str, Option<&'a str>)>,
}

impl<'a> CallerName<'a> {
    fn of(principal: &'a Principal) -> Result<Self, StsError> {
        let Principal::Identity { owner, name, access_key_id, is_root, policies, session, .. } = principal else {
            return Err(StsError::new(StsCode::AccessDenied, "Anonymous callers have no identity."));
        };
        Ok(Self {
            account: account_id(owner),
            owner: &owner.0,
            name,
            access_key_id,
            is_root: *is_root,
            policies: policies.as_deref().unwrap_or_default(),
            session: session.as_ref().map(|session| (&*session.access_key_id, session.role_session.as_deref())),
        })
    }

    fn caller(&self) -> Caller<'_> {
        if self.is_root { Caller::Root } else { Caller::User { name: self.name, id: self.access_key_id } }
    }

    fn named(&self) -> Named<'_> {
        Named::Known { account: &self.account, canonical_id: self.owner, caller: self.caller() }
    }

    fn arn(&self) -> String {
        match self.session {
            Some((_, Some(session))) => self.session_arn(session),
            Some((_, None)) | None => self.named().arn().unwrap_or_default(),
        }
    }

    fn session_arn(&self, session: &str) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{session}", self.account, self.name)
    }

    fn user_id(&self) -> String {
        match (self.session, self.is_root) {
            (Some((_, Some(session))), _) => format!("{}:{session}", self.access_key_id),
            (_, true) => self.account.clone(),
            (_, false) => self.access_key_id.to_owned(),
        }
    }

    fn refuse_session(&self, action: &str) -> Result<(), StsError> {
        match self.session {
            Some(_) => {
                Err(StsError::new(StsCode::AccessDenied, format!("Cannot call {action} with session credentials")))
            }
            None => Ok(()),
        }
    }

    /// Checks that `role` is the caller's own, and that none of its policies denies it.
    fn check_role(&self, role: &str, session: &str, asker: &Asker<'_>) -> Result<(), StsError> {
        let denied = || {
            let message =
                format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {role}", self.arn());
            StsError::new(StsCode::AccessDenied, message)
        };
        if role != format!("arn:aws:iam::{}:role/{}", self.account, self.name) {
            return Err(denied().because(format!("the one role of this key is its own, role/{}", self.name)));
        }
        let mut context = MapContext::default().with("sts:RoleSessionName", session);
        if let Some(peer) = asker.peer {
            context.add("aws:SourceIp", peer.address.ip().to_canonical().to_string());
            context.add("aws:SecureTransport", peer.tls.to_string());
        }
        let (target, principal) = (Target::Arn(role), self.named());
        let request = Request { action: "sts:AssumeRole", target, principal, now: asker.now, context: &context };
        match evaluate(self.policies.iter().map(Arc::as_ref), &request, false) {
            Verdict::Deny(statement) => Err(denied().because(statement)),
            Verdict::Allow(_) | Verdict::NoMatch => Ok(()),
        }
    }
}

/// The parameters of a request, each of which is taken once.
struct Form<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Form<'a> {
    fn new(query: &'a Query) -> Result<Self, StsError> {
        let pairs: Vec<_> = query.iter().take(STS_PARAMETERS_MAX + 1).collect();
        let is_unique =
            pairs.iter().enumerate().all(|(at, (name, _))| pairs[..at].iter().all(|(other, _)| other != name));
        if pairs.len() > STS_PARAMETERS_MAX || !is_unique {
            return Err(StsError::validation("There are too many parameters, or one is given more than once."));
        }
        Ok(Self(pairs))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn require(&mut self, name: &str) -> Result<String, StsError> {
        let value = self.take(name).filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| StsError::validation(format!("The parameter {name} is missing.")))
    }

    fn finish(self) -> Result<(), StsError> {
        match self.0.first() {
            Some((name, _)) => Err(StsError::validation(format!("The parameter {name:?} is not supported."))),
            None => Ok(()),
        }
    }
}

fn seconds(form: &mut Form<'_>, default: u64, max: u64) -> Result<u64, StsError> {
    let Some(text) = form.take("DurationSeconds") else { return Ok(default) };
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.filter(|seconds| (SESSION_SECONDS_MIN..=max).contains(seconds)).ok_or_else(|| {
        StsError::validation(format!("DurationSeconds must be between {SESSION_SECONDS_MIN} and {max}."))
    })
}

fn session_name(name: String) -> Result<String, StsError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if (SESSION_NAME_BYTES_MIN..=SESSION_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(name);
    }
    Err(StsError::validation(format!(
        "RoleSessionName must have {SESSION_NAME_BYTES_MIN} to {SESSION_NAME_BYTES_MAX} letters, digits and _ + = , . @ -"
    )))
}

fn session_policy(text: Option<&str>) -> Result<Option<String>, StsError> {
    let Some(text) = text else { return Ok(None) };
    let malformed = |error: PolicyError| StsError::new(StsCode::MalformedPolicyDocument, error.to_string());
    check_session_policy(text).map_err(malformed)?;
    Ok(Some(text.to_owned()))
}

/// The ready-made policies that a session names: `PolicyArns.member.1.arn` and so on.
fn ready_made(form: &mut Form<'_>) -> Result<Vec<String>, StsError> {
    let mut names = Vec::new();
    while let Some(arn) = form.take(&format!("PolicyArns.member.{}.arn", names.len() + 1)) {
        let known = arn.strip_prefix(READY_MADE).filter(|name| ready_made_names().contains(name));
        let known = known.filter(|_| names.len() < SESSION_POLICIES_MAX).ok_or_else(|| {
            let known = ready_made_names().join(", ");
            StsError::validation(format!("PolicyArns may name up to {SESSION_POLICIES_MAX} of {READY_MADE}…: {known}"))
        })?;
        names.push(known.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::Action;
    use crate::s3::sts::error::StsCode;

    fn read(form: &str) -> Result<Action, StsCode> {
        Action::read(form.as_bytes()).map_err(|error| error.code)
    }

    #[test]
    fn forms_are_read_as_sdks_send_them() {
        const ARN: &str = "arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fnas";
        assert_eq!(read("Action=GetCallerIdentity&Version=2011-06-15"), Ok(Action::GetCallerIdentity));
        assert_eq!(read("Action=GetSessionToken"), Ok(Action::GetSessionToken { seconds: 43_200 }));
        assert_eq!(read("Action=GetSessionToken&DurationSeconds=129600").unwrap().name(), "GetSessionToken");
        let form = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn={ARN}&RoleSessionName=a.b&DurationSeconds=900\
             &PolicyArns.member.1.arn=arn:aws:iam::aws:policy/read-only&PolicyArns.member.2.arn=arn:aws:iam::aws:policy/full"
        );
        let expected = Action::AssumeRole {
            role: "arn:aws:iam::123456789012:role/nas".to_owned(),
            session: "a.b".to_owned(),
            policy: None,
            ready_made: vec!["read-only".to_owned(), "full".to_owned()],
            seconds: 900,
        };
        assert_eq!(read(&form), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let role = |rest: &str| format!("Action=AssumeRole&RoleArn=arn:aws:iam::1:role/nas&RoleSessionName=name{rest}");
        assert!(read(&role("")).is_ok());
        let statement = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3AGetObjects%22%2C\
                         %22Resource%22%3A%22*%22%7D%7D";
        for (form, code) in [
            (String::new(), StsCode::MissingAction),
            ("Version=2011-06-15".to_owned(), StsCode::MissingAction),
            ("Action=Frob".to_owned(), StsCode::InvalidAction),
            ("Action=GetCallerIdentity&Version=2010-01-01".to_owned(), StsCode::InvalidAction),
            ("Action=GetCallerIdentity&Action=GetSessionToken".to_owned(), StsCode::ValidationError),
            ("Action=GetSessionToken&SerialNumber=1&TokenCode=123456".to_owned(), StsCode::ValidationError),
            ("Action=GetSessionToken&DurationSeconds=899".to_owned(), StsCode::ValidationError),
            ("Action=GetSessionToken&DurationSeconds=129601".to_owned(), StsCode::ValidationError),
            ("Action=GetSessionToken&DurationSeconds=%2B900".to_owned(), StsCode::ValidationError),
            ("Action=AssumeRole&RoleSessionName=name".to_owned(), StsCode::ValidationError),
            ("Action=AssumeRole&RoleArn=&RoleSessionName=name".to_owned(), StsCode::ValidationError),
            ("Action=AssumeRole&RoleArn=arn&RoleSessionName=a".to_owned(), StsCode::ValidationError),
            ("Action=AssumeRole&RoleArn=arn&RoleSessionName=a%0Ab".to_owned(), StsCode::ValidationError),
            (role("&DurationSeconds=43201"), StsCode::ValidationError),
            (role("&ExternalId=1"), StsCode::ValidationError),
            (role("&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/AdministratorAccess"), StsCode::ValidationError),
            (role("&PolicyArns.member.2.arn=arn:aws:iam::aws:policy/full"), StsCode::ValidationError),
            (role("&Policy="), StsCode::MalformedPolicyDocument),
            (role("&Policy=%7B%7D"), StsCode::MalformedPolicyDocument),
            (role(&format!("&Policy={statement}")), StsCode::MalformedPolicyDocument),
        ] {
            assert_eq!(read(&form), Err(code), "{form}");
        }
        let many: String = (0..70).map(|number| format!("&p{number}=1")).collect();
        assert_eq!(read(&role(&many)), Err(StsCode::ValidationError));
        assert_eq!(Action::read(b"Action=\xff").unwrap_err().code, StsCode::ValidationError);
    }
}
