//! Websites of buckets: which configurations are legal, and which object or redirect a path means.
//!
//! Source: Amazon S3 User Guide, "Hosting a static website using Amazon S3".

use serde::{Deserialize, Serialize};

use crate::limits::WEBSITE_ROUTING_RULES_MAX;

/// What a redirect is without a code of its own.
const MOVED_PERMANENTLY: u16 = 301;

/// The website of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Website {
    /// What is appended to a path that names a folder.
    pub index_suffix: Option<String>,
    /// The key of the document that is shown in place of errors of the visitor.
    pub error_key: Option<String>,
    /// Where every request goes, if the website is elsewhere.
    pub redirect_all: Option<RedirectAll>,
    /// Rules that are tried in order.
    pub rules: Vec<RoutingRule>,
}

/// Where every request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectAll {
    /// The other host.
    pub host: String,
    /// Its protocol; that of the request if `None`.
    pub protocol: Option<Protocol>,
}

/// What a browser speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Protocol {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The protocol of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|protocol| protocol.name() == name)
    }
}

/// A rule that redirects what it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    /// About paths that begin so.
    pub key_prefix: Option<String>,
    /// About answers of this status.
    pub error_status: Option<u16>,
    /// Where to.
    pub redirect: Redirect,
}

/// Where a rule redirects to. What is `None` stays as it was requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The protocol.
    pub protocol: Option<Protocol>,
    /// The host.
    pub host: Option<String>,
    /// The path.
    pub key: Option<KeyReplacement>,
    /// The status of the redirect.
    pub status: Option<u16>,
}

/// How a path changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyReplacement {
    /// The prefix of the rule's condition becomes this.
    Prefix(String),
    /// The whole path becomes this.
    Whole(String),
}

/// Why a website is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebsiteRefusal {
    /// It has neither an index document nor another host.
    NoIndex,
    /// The suffix is empty or holds a slash.
    IndexSuffix(String),
    /// The key of the error document is empty.
    ErrorKey,
    /// It is elsewhere and yet has documents or rules.
    RedirectAllWithOthers,
    /// It has more rules than `WEBSITE_ROUTING_RULES_MAX`.
    TooManyRules(usize),
    /// A rule's redirect says nothing.
    EmptyRedirect,
    /// A status is no error's.
    ErrorStatus(u16),
    /// A status is no redirect's.
    RedirectStatus(u16),
    /// A host holds what no host's name may.
    Host(String),
}

/// A place that a visitor is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The status.
    pub status: u16,
    /// The protocol, if it is another.
    pub protocol: Option<Protocol>,
    /// The host, if it is another.
    pub host: Option<String>,
    /// The beginning of the path, as the bucket's owner wrote it: it may have a query or a fragment.
    pub written: String,
    /// The rest of the path, as it was requested.
    pub requested: String,
}

/// What a path means at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Another place.
    Redirect(Target),
    /// The object with this key.
    Object(String),
}

/// Judges a website.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge_website(website: &Website) -> Result<(), WebsiteRefusal> {
    if let Some(redirect) = &website.redirect_all {
        let others = website.index_suffix.is_some() || website.error_key.is_some() || !website.rules.is_empty();
        return if others { Err(WebsiteRefusal::RedirectAllWithOthers) } else { judge_host(&redirect.host) };
    }
    let suffix = website.index_suffix.as_ref().ok_or(WebsiteRefusal::NoIndex)?;
    if suffix.is_empty() || suffix.contains('/') {
        return Err(WebsiteRefusal::IndexSuffix(suffix.clone()));
    }
    if website.error_key.as_ref().is_some_and(String::is_empty) {
        return Err(WebsiteRefusal::ErrorKey);
    }
    if website.rules.len() > WEBSITE_ROUTING_RULES_MAX {
        return Err(WebsiteRefusal::TooManyRules(website.rules.len()));
    }
    website.rules.iter().try_for_each(judge_rule)
}

fn judge_rule(rule: &RoutingRule) -> Result<(), WebsiteRefusal> {
    let redirect = &rule.redirect;
    if *redirect == Redirect::default() {
        return Err(WebsiteRefusal::EmptyRedirect);
    }
    if let Some(status) = rule.error_status.filter(|status| !(400..600).contains(status)) {
        return Err(WebsiteRefusal::ErrorStatus(status));
    }
    if let Some(status) = redirect.status.filter(|status| !(301..400).contains(status)) {
        return Err(WebsiteRefusal::RedirectStatus(status));
    }
    redirect.host.as_deref().map_or(Ok(()), judge_host)
}

fn judge_host(host: &str) -> Result<(), WebsiteRefusal> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let good = !host.is_empty() && host.bytes().all(legal);
    if good { Ok(()) } else { Err(WebsiteRefusal::Host(host.to_owned())) }
}

impl Website {
    /// What a path, without its first slash, means before anything is read.
    pub fn open(&self, path: &str) -> Opening {
        if let Some(RedirectAll { host, protocol }) = &self.redirect_all {
            return Opening::Redirect(Target {
                status: MOVED_PERMANENTLY,
                protocol: *protocol,
                host: Some(host.clone()),
                written: String::new(),
                requested: path.to_owned(),
            });
        }
        match self.rules.iter().find(|rule| rule.error_status.is_none() && rule.is_about(path)) {
            Some(rule) => Opening::Redirect(rule.target(path)),
            None if path.is_empty() || path.ends_with('/') => {
                Opening::Object(format!("{path}{}", self.index_suffix.as_deref().unwrap_or_default()))
            }
            None => Opening::Object(path.to_owned()),
        }
    }

    /// The index document of the folder that a path may have meant, when there is no object of its name.
    pub fn folder_index(&self, path: &str) -> Option<String> {
        let suffix = self.index_suffix.as_ref()?;
        (!path.is_empty() && !path.ends_with('/')).then(|| format!("{path}/{suffix}"))
    }

    /// Where a visitor is sent when a path comes to an error.
    pub fn after_error(&self, path: &str, status: u16) -> Option<Target> {
        let rule = self.rules.iter().find(|rule| rule.error_status == Some(status) && rule.is_about(path));
        rule.map(|rule| rule.target(path))
    }

    /// The key of what is shown in place of an error: only of those that the visitor made.
    pub fn error_document(&self, status: u16) -> Option<&str> {
        self.error_key.as_deref().filter(|_| (400..500).contains(&status))
    }
}

impl RoutingRule {
    fn is_about(&self, path: &str) -> bool {
        self.key_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix))
    }

    fn target(&self, path: &str) -> Target {
        let prefix = self.key_prefix.as_deref().unwrap_or_default();
        let (written, requested) = match &self.redirect.key {
            None => (String::new(), path.to_owned()),
            Some(KeyReplacement::Whole(key)) => (key.clone(), String::new()),
            Some(KeyReplacement::Prefix(replacement)) => {
                (replacement.clone(), path.strip_prefix(prefix).unwrap_or(path).to_owned())
            }
        };
        Target {
            status: self.redirect.status.unwrap_or(MOVED_PERMANENTLY),
            protocol: self.redirect.protocol,
            host: self.redirect.host.clone(),
            written,
            requested,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        KeyReplacement, Opening, Protocol, Redirect, RedirectAll, RoutingRule, Target, Website, WebsiteRefusal,
        judge_website,
    };

    fn site(rules: Vec<RoutingRule>) -> Website {
        Website {
            index_suffix: Some("index.html".to_owned()),
            error_key: Some("error.html".to_owned()),
            redirect_all: None,
            rules,
        }
    }

    fn rule(prefix: Option<&str>, error_status: Option<u16>, redirect: Redirect) -> RoutingRule {
        RoutingRule { key_prefix: prefix.map(str::to_owned), error_status, redirect }
    }

    fn to_host(host: &str) -> Redirect {
        Redirect { host: Some(host.to_owned()), ..Redirect::default() }
    }

    fn to_key(key: KeyReplacement) -> Redirect {
        Redirect { key: Some(key), ..Redirect::default() }
    }

    #[test]
    fn a_path_means_an_object_or_the_index_of_a_folder() {
        let site = site(vec![]);
        let table = [
            ("", "index.html"),
            ("/", "/index.html"),
            ("a", "a"),
            ("a/", "a/index.html"),
            ("a//", "a//index.html"),
            ("a/b.html", "a/b.html"),
            ("..", ".."),
        ];
        for (path, key) in table {
            assert_eq!(site.open(path), Opening::Object(key.to_owned()), "{path}");
        }
        assert_eq!(site.folder_index("a/b").as_deref(), Some("a/b/index.html"));
        assert_eq!(site.folder_index(""), None);
        assert_eq!(site.folder_index("a/"), None);
    }

    #[test]
    fn rules_are_tried_in_order_and_by_their_conditions() {
        let prefix = |text: &str| KeyReplacement::Prefix(text.to_owned());
        let site = site(vec![
            rule(Some("docs/"), None, to_key(prefix("documents/"))),
            rule(Some("old"), Some(404), to_host("old.example")),
            rule(None, Some(404), to_key(prefix("report-404/#!/"))),
            rule(Some("gone"), None, Redirect { status: Some(307), ..to_key(KeyReplacement::Whole("x?y".to_owned())) }),
            rule(Some("docs/a"), None, to_host("never")),
        ]);
        let target = |opening: Opening| match opening {
            Opening::Redirect(target) => (target.status, target.host, target.written, target.requested),
            Opening::Object(key) => (0, None, key, String::new()),
        };
        let to = |status, host: Option<&str>, written: &str, requested: &str| {
            (status, host.map(str::to_owned), written.to_owned(), requested.to_owned())
        };
        assert_eq!(target(site.open("docs/a b")), to(301, None, "documents/", "a b"));
        assert_eq!(target(site.open("gone/away")), to(307, None, "x?y", ""));
        assert_eq!(target(site.open("old")), to(0, None, "old", ""));
        let failed = |path, status| site.after_error(path, status).map(Opening::Redirect).map(target);
        assert_eq!(failed("old/x", 404), Some(to(301, Some("old.example"), "", "old/x")));
        assert_eq!(failed("new", 404), Some(to(301, None, "report-404/#!/", "new")));
        assert_eq!(failed("new", 403), None);
    }

    #[test]
    fn a_website_elsewhere_sends_everything_there() {
        let redirect_all = Some(RedirectAll { host: "b".to_owned(), protocol: Some(Protocol::Https) });
        let site = Website { redirect_all, ..Website::default() };
        assert_eq!(judge_website(&site), Ok(()));
        let target = Target {
            status: 301,
            protocol: Some(Protocol::Https),
            host: Some("b".to_owned()),
            written: String::new(),
            requested: "x/".to_owned(),
        };
        assert_eq!(site.open("x/"), Opening::Redirect(target));
    }

    #[test]
    fn only_errors_of_the_visitor_have_a_document() {
        let site = site(vec![]);
        assert_eq!(site.error_document(404), Some("error.html"));
        assert_eq!(site.error_document(403), Some("error.html"));
        assert_eq!(site.error_document(503), None);
        assert_eq!(site.error_document(304), None);
    }

    #[test]
    fn each_mistake_has_its_own_refusal() {
        let good = site(vec![rule(Some("a"), Some(404), to_host("h:8080"))]);
        assert_eq!(judge_website(&good), Ok(()));
        let with = |redirect: Redirect| judge_website(&site(vec![rule(None, None, redirect)]));
        assert_eq!(judge_website(&Website::default()), Err(WebsiteRefusal::NoIndex));
        for bad in ["", "a/b"] {
            let site = Website { index_suffix: Some(bad.to_owned()), ..good.clone() };
            assert_eq!(judge_website(&site), Err(WebsiteRefusal::IndexSuffix(bad.to_owned())));
        }
        let empty = Website { error_key: Some(String::new()), ..good.clone() };
        assert_eq!(judge_website(&empty), Err(WebsiteRefusal::ErrorKey));
        let redirect_all = Some(RedirectAll { host: "b".to_owned(), protocol: None });
        let both = Website { redirect_all, ..good };
        assert_eq!(judge_website(&both), Err(WebsiteRefusal::RedirectAllWithOthers));
        let many = site(vec![rule(None, None, to_host("h")); 51]);
        assert_eq!(judge_website(&many), Err(WebsiteRefusal::TooManyRules(51)));
        assert_eq!(with(Redirect::default()), Err(WebsiteRefusal::EmptyRedirect));
        for bad in ["", "a b", "a\r\nb", "a/b", "ü", "a?b", "u@h"] {
            assert_eq!(with(to_host(bad)), Err(WebsiteRefusal::Host(bad.to_owned())), "{bad:?}");
        }
        for bad in [200, 300, 400] {
            let redirect = Redirect { status: Some(bad), ..Redirect::default() };
            assert_eq!(with(redirect), Err(WebsiteRefusal::RedirectStatus(bad)));
        }
        for bad in [200, 301, 399, 600] {
            let site = site(vec![rule(None, Some(bad), to_host("h"))]);
            assert_eq!(judge_website(&site), Err(WebsiteRefusal::ErrorStatus(bad)));
        }
    }
}
