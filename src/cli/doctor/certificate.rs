//! The certificate: whether it can be used, until when, who vouches for it, and which names it has.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::cli::doctor::{Finding, Grade};
use crate::cli::output::describe;
use crate::config::Config;
use crate::limits::{CERTIFICATE_WARNING_DAYS, PEM_BYTES_MAX};
use crate::net::{Tls, TlsSettings};
use crate::types::{Clock as _, SystemClock, Timestamp};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// What is looked at of one certificate.
#[derive(Clone, Debug, Default)]
struct Link {
    /// For people.
    subject: String,
    issuer: String,
    /// For comparison, as encoded.
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    begins: i64,
    ends: i64,
    /// Host names and addresses.
    names: Vec<String>,
}

/// Everything about the certificate, if there is to be one.
pub fn look(config: &Config) -> Vec<Finding> {
    let Some(paths) = &config.tls else { return Vec::new() };
    let bad = |detail| vec![Finding::new(Grade::Bad, "certificate", detail)];
    // Also refuses a key that belongs to another certificate.
    let settings = TlsSettings { cert_path: paths.cert.clone(), key_path: paths.key.clone() };
    if let Err(error) = Tls::load(&settings) {
        return bad(describe(&error));
    }
    let chain = match read(&paths.cert) {
        Ok(chain) => chain,
        Err(error) => return bad(format!("read {}: {error}", paths.cert.display())),
    };
    let roots = trusted_subjects();
    let mut findings = vec![judge_time(&chain, SystemClock.now()), judge_chain(&chain, &roots)];
    if let Some(first) = chain.first() {
        findings.push(judge_names(first, &config.domains));
    }
    findings
}

fn read(path: &Path) -> Result<Vec<Link>, String> {
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(PEM_BYTES_MAX).read_to_end(&mut pem).map_err(|error| error.to_string())?;
    let certificates = CertificateDer::pem_slice_iter(&pem);
    certificates.map(|certificate| link(certificate.map_err(|error| error.to_string())?.as_ref())).collect()
}

fn link(der: &[u8]) -> Result<Link, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let names = match certificate.subject_alternative_name() {
        Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
        Ok(None) => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    Ok(Link {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        subject_der: certificate.subject().as_raw().to_vec(),
        issuer_der: certificate.issuer().as_raw().to_vec(),
        begins: certificate.validity().not_before.timestamp(),
        ends: certificate.validity().not_after.timestamp(),
        names,
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// The subjects that this machine trusts. What cannot be read vouches for nobody.
fn trusted_subjects() -> Vec<Vec<u8>> {
    let roots = rustls_native_certs::load_native_certs().certs;
    roots.iter().filter_map(|root| Some(link(root.as_ref()).ok()?.subject_der)).collect()
}

fn judge_time(chain: &[Link], now: Timestamp) -> Finding {
    let told = |grade, detail| Finding::new(grade, "certificate", detail);
    let Some(first) = chain.iter().min_by_key(|link| link.ends) else {
        return told(Grade::Bad, "there is none in the file".to_owned());
    };
    let at = |seconds| Timestamp::from_seconds(seconds).iso_millis();
    if let Some(early) = chain.iter().find(|link| link.begins > now.seconds()) {
        return told(Grade::Bad, format!("{} begins only at {}", early.subject, at(early.begins)));
    }
    let days = (first.ends - now.seconds()).div_euclid(SECONDS_PER_DAY);
    let shown = format!("{} ends at {}", first.subject, at(first.ends));
    if first.ends <= now.seconds() {
        return told(Grade::Bad, format!("{shown}: clients refuse it"));
    }
    if days < CERTIFICATE_WARNING_DAYS {
        return told(Grade::Warning, format!("{shown}, in {days} days: renew it"));
    }
    told(Grade::Good, format!("{shown}, in {days} days; the key belongs to it"))
}

fn judge_chain(chain: &[Link], roots: &[Vec<u8>]) -> Finding {
    let told = |grade, detail| Finding::new(grade, "chain", detail);
    for pair in chain.windows(2) {
        if pair[0].issuer_der != pair[1].subject_der {
            let detail = format!(
                "{} is issued by {}, but {} comes next: put the certificates in order, the server's own first",
                pair[0].subject, pair[0].issuer, pair[1].subject
            );
            return told(Grade::Bad, detail);
        }
    }
    let Some(last) = chain.last() else { return told(Grade::Bad, "there is none".to_owned()) };
    let is_own = last.issuer_der == last.subject_der;
    if roots.contains(&last.issuer_der) {
        return told(Grade::Good, format!("complete, up to {}, which this machine trusts", last.issuer));
    }
    if is_own {
        let detail = format!("complete, but nobody trusts {} by itself: give it to the clients", last.subject);
        return told(Grade::Warning, detail);
    }
    let detail = format!(
        "it ends with {}, issued by {}, which this machine does not trust: is a certificate between them missing in \
         the file?",
        last.subject, last.issuer
    );
    told(Grade::Warning, detail)
}

/// Virtual-host style needs `NAME` and `*.NAME`.
fn judge_names(first: &Link, domains: &[String]) -> Finding {
    let wanted = domains.iter().flat_map(|domain| [domain.clone(), format!("*.{domain}")]);
    let missing: Vec<String> = wanted.filter(|wanted| !covers(&first.names, wanted)).collect();
    if !missing.is_empty() {
        let detail = format!("the certificate lacks {}, which --domain needs", missing.join(", "));
        return Finding::new(Grade::Warning, "names", detail);
    }
    if first.names.is_empty() {
        return Finding::new(Grade::Warning, "names", "the certificate names no host: clients refuse it");
    }
    Finding::new(Grade::Good, "names", first.names.join(", "))
}

/// Whether one of the names stands for `wanted`; a wildcard stands for one label.
fn covers(names: &[String], wanted: &str) -> bool {
    let parent = wanted.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    names.iter().any(|name| name == wanted || Some(name) == parent.as_ref())
}

#[cfg(test)]
mod tests {
    use super::{Link, covers, judge_chain, judge_names, judge_time, link, look};
    use crate::cli::doctor::Grade;
    use crate::config::{Config, RawConfig};
    use crate::types::Timestamp;

    const DAY: i64 = 86_400;

    fn named(subject: &str, issuer: &str) -> Link {
        let der = |text: &str| text.as_bytes().to_vec();
        let (subject_der, issuer_der) = (der(subject), der(issuer));
        Link { subject: subject.into(), issuer: issuer.into(), subject_der, issuer_der, ..Link::default() }
    }

    #[test]
    fn the_first_end_counts_and_thirty_days_are_a_warning() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let chain = |days: i64| {
            let far = Link { ends: now.seconds() + 900 * DAY, ..Link::default() };
            vec![far, Link { ends: now.seconds() + days * DAY, ..Link::default() }]
        };
        let grade = |days| judge_time(&chain(days), now).grade;
        assert_eq!((grade(31), grade(30), grade(29)), (Grade::Good, Grade::Good, Grade::Warning));
        assert_eq!((grade(0), grade(-1)), (Grade::Bad, Grade::Bad));
        let early = Link { begins: now.seconds() + 1, ends: i64::from(i32::MAX), ..Link::default() };
        assert_eq!(judge_time(&[early], now).grade, Grade::Bad);
        assert_eq!(judge_time(&[], now).grade, Grade::Bad);
    }

    #[test]
    fn a_chain_is_complete_up_to_a_root_in_order() {
        let roots = vec![b"root".to_vec()];
        let judge = |chain: &[Link]| judge_chain(chain, &roots).grade;
        let (leaf, middle, root) = (named("leaf", "middle"), named("middle", "root"), named("root", "root"));
        assert_eq!(judge(&[leaf.clone(), middle.clone()]), Grade::Good);
        assert_eq!(judge(&[leaf.clone(), middle.clone(), root]), Grade::Good);
        assert_eq!(judge(std::slice::from_ref(&leaf)), Grade::Warning, "the one between is missing");
        assert_eq!(judge(&[middle, leaf]), Grade::Bad, "the wrong way round");
        assert_eq!(judge(&[named("own", "own")]), Grade::Warning);
        assert_eq!(judge(&[]), Grade::Bad);
    }

    #[test]
    fn domains_need_their_name_and_a_wildcard() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let judge = |has: &[&str]| {
            judge_names(&Link { names: names(has), ..Link::default() }, &names(&["s3.example.com"])).grade
        };
        assert_eq!(judge(&["s3.example.com", "*.s3.example.com"]), Grade::Good);
        assert_eq!(judge(&["*.example.com", "*.s3.example.com"]), Grade::Good);
        assert_eq!(judge(&["s3.example.com"]), Grade::Warning);
        assert_eq!(judge_names(&Link::default(), &[]).grade, Grade::Warning);
        assert!(!covers(&names(&["*.example.com"]), "a.b.example.com"));
    }

    #[test]
    fn a_real_certificate_is_read_and_a_foreign_key_is_bad() {
        let signed = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (own, other) = (signed("s3.lan"), signed("other.lan"));
        let read = link(own.cert.der()).unwrap();
        assert_eq!(read.names, ["s3.lan"]);
        assert_eq!(read.subject_der, read.issuer_der);
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("cert.pem"), own.cert.pem()).unwrap();
        std::fs::write(at("key.pem"), own.signing_key.serialize_pem()).unwrap();
        std::fs::write(at("other.pem"), other.signing_key.serialize_pem()).unwrap();
        let findings = |key: &str| {
            let raw = RawConfig {
                data_dir: Some(at("data")),
                tls_cert: Some(at("cert.pem")),
                tls_key: Some(at(key)),
                ..RawConfig::default()
            };
            let findings = look(&Config::decide(raw, None).unwrap());
            findings.into_iter().map(|finding| (finding.topic, finding.grade)).collect::<Vec<_>>()
        };
        assert_eq!(findings("other.pem"), [("certificate", Grade::Bad)]);
        let sound = [("certificate", Grade::Good), ("chain", Grade::Warning), ("names", Grade::Good)];
        assert_eq!(findings("key.pem"), sound);
    }
}
