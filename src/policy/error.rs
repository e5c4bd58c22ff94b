//! Why a document is refused.

/// Why a document is no policy. The text is AWS's own where it is known: tools show it to whoever wrote the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than its kind may be, in bytes.
    #[error("Policies must be at most {0} bytes long")]
    TooLong(usize),
    /// More single-character wildcards than one document may have.
    #[error("Policies must not have more than {0} wildcards '?'")]
    TooManyWildcards(usize),
    /// Not JSON, or not an object.
    #[error("Policies must be valid JSON and the first byte must be '{{'")]
    NotJson,
    /// The same element twice in one object. Readers disagree about which one counts, so neither does.
    #[error("Policy has the element {0} twice")]
    Duplicate(String),
    /// An element that the language or the kind of policy does not have.
    #[error("Unknown field {0}")]
    Unknown(String),
    /// An element that must be there is not.
    #[error("Missing required field {0}")]
    Missing(&'static str),
    /// An element beside its opposite, as `Action` and `NotAction`.
    #[error("Policy has both {0} and Not{0}")]
    Both(&'static str),
    /// A `Version` that does not exist.
    #[error("The policy must contain a valid version string")]
    Version,
    /// An `Effect` other than `Allow` and `Deny`.
    #[error("Invalid effect: {0}")]
    Effect(String),
    /// A `Sid` that is no text, or used twice.
    #[error("Statement IDs (SID) in a single policy must be unique text")]
    Sid,
    /// A principal that cannot be read, or `NotPrincipal` that would allow the rest of the world.
    #[error("Invalid principal in policy")]
    Principal,
    /// An action that S3 does not have.
    #[error("Policy has invalid action")]
    Action,
    /// A resource that is no ARN, or outside of the bucket.
    #[error("Policy has invalid resource")]
    Resource,
    /// An action that none of the statement's resources can have.
    #[error("Action does not apply to any resource(s) in statement")]
    ActionResource,
    /// A condition operator that does not exist.
    #[error("Invalid Condition type : {0}")]
    Operator(String),
    /// A condition key that does not exist.
    #[error("Policy has an invalid condition key")]
    ConditionKey,
    /// A condition value that its operator cannot read.
    #[error("Invalid value in condition: {0}")]
    ConditionValue(String),
    /// A condition key that none of the statement's actions has.
    #[error("Conditions do not apply to combination of actions and resources in statement")]
    ConditionAction,
    /// `${` without an end, or without a name.
    #[error("Policy has an invalid policy variable")]
    Variable,
}
