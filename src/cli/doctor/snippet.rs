//! Settings for clients, ready to paste. They name variables, never a secret, and put none on a command line,
//! where other users see it.

use std::net::IpAddr;

use crate::config::Config;

/// A snippet per client: its name and the text.
pub fn all(config: &Config) -> Vec<(&'static str, String)> {
    let endpoint = endpoint(config);
    let region = &config.region;
    let key = "SLUICEGATE_ACCESS_KEY_ID";
    let secret = "SLUICEGATE_SECRET_ACCESS_KEY";
    vec![
        (
            "aws",
            format!(
                "export AWS_ACCESS_KEY_ID=\"${key}\" AWS_SECRET_ACCESS_KEY=\"${secret}\"\n\
                 export AWS_ENDPOINT_URL_S3={endpoint} AWS_DEFAULT_REGION={region}\n\
                 aws s3 mb s3://first && aws s3 ls\n"
            ),
        ),
        (
            "rclone",
            format!(
                "export AWS_ACCESS_KEY_ID=\"${key}\" AWS_SECRET_ACCESS_KEY=\"${secret}\"\n\
                 rclone config create gate s3 provider=Other env_auth=true endpoint={endpoint} region={region}\n\
                 rclone lsd gate:\n"
            ),
        ),
        (
            "restic",
            format!(
                "export AWS_ACCESS_KEY_ID=\"${key}\" AWS_SECRET_ACCESS_KEY=\"${secret}\" AWS_DEFAULT_REGION={region}\n\
                 restic -r s3:{endpoint}/backup init\n"
            ),
        ),
        (
            "boto3",
            format!(
                "import os, boto3\n\
                 s3 = boto3.client(\n    \
                 \"s3\", endpoint_url=\"{endpoint}\", region_name=\"{region}\",\n    \
                 aws_access_key_id=os.environ[\"{key}\"],\n    \
                 aws_secret_access_key=os.environ[\"{secret}\"],\n\
                 )\n"
            ),
        ),
        ("Terraform", terraform(&endpoint, region, key, secret)),
        ("kopia", kopia(&endpoint, region, key, secret)),
    ]
}

fn terraform(endpoint: &str, region: &str, key: &str, secret: &str) -> String {
    format!(
        "# export AWS_ACCESS_KEY_ID=\"${key}\" AWS_SECRET_ACCESS_KEY=\"${secret}\"\n\
         provider \"aws\" {{\n  \
         region                      = \"{region}\"\n  \
         s3_use_path_style           = true\n  \
         skip_credentials_validation = true\n  \
         skip_metadata_api_check     = true\n  \
         skip_requesting_account_id  = true\n  \
         endpoints {{\n    s3 = \"{endpoint}\"\n  }}\n\
         }}\n"
    )
}

/// kopia takes a host and a port, and a flag where others take a scheme.
fn kopia(endpoint: &str, region: &str, key: &str, secret: &str) -> String {
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("http", endpoint));
    let plain = if scheme == "http" { " --disable-tls" } else { "" };
    format!(
        "export AWS_ACCESS_KEY_ID=\"${key}\" AWS_SECRET_ACCESS_KEY=\"${secret}\"\n\
         kopia repository create s3 --bucket=first --endpoint={host} --region={region}{plain}\n"
    )
}

/// Where clients reach the server: what was told to be its address. Else its first domain, if it has one; else the address that it listens on, with
/// loopback for every interface, because only the operator knows this machine's name.
fn endpoint(config: &Config) -> String {
    if let Some(public) = &config.public_url {
        return public.clone();
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let host = match (config.domains.first(), config.listen.ip()) {
        (Some(domain), _) => domain.clone(),
        (None, ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        (None, IpAddr::V4(ip)) => ip.to_string(),
        (None, IpAddr::V6(ip)) => format!("[{ip}]"),
    };
    format!("{scheme}://{host}:{}", config.listen.port())
}

#[cfg(test)]
mod tests {
    use super::{all, endpoint};
    use crate::config::{Config, RawConfig};

    fn config(listen: &str, domain: &[&str]) -> Config {
        let raw = RawConfig {
            data_dir: Some("/data".into()),
            listen: Some(listen.into()),
            domain: domain.iter().map(|&name| name.to_owned()).collect(),
            access_key_id: Some("AKIAROOT".into()),
            secret_access_key: Some(zeroize::Zeroizing::new("root-secret".into())),
            ..RawConfig::default()
        };
        Config::decide(raw, None).unwrap()
    }

    #[test]
    fn the_endpoint_is_where_clients_reach_the_server() {
        assert_eq!(endpoint(&config("0.0.0.0:9000", &[])), "http://127.0.0.1:9000");
        assert_eq!(endpoint(&config("[::1]:80", &[])), "http://[::1]:80");
        assert_eq!(endpoint(&config("0.0.0.0:9000", &["s3.local"])), "http://s3.local:9000");
        let behind_proxy = Config { public_url: Some("https://s3.local".into()), ..config("127.0.0.1:9000", &[]) };
        assert_eq!(endpoint(&behind_proxy), "https://s3.local");
    }

    #[test]
    fn no_snippet_shows_a_secret() {
        let snippets = all(&config("127.0.0.1:9000", &[]));
        let clients: Vec<_> = snippets.iter().map(|(client, _)| *client).collect();
        assert_eq!(clients, ["aws", "rclone", "restic", "boto3", "Terraform", "kopia"]);
        for (client, text) in snippets {
            assert!(text.contains("SLUICEGATE_SECRET_ACCESS_KEY") && !text.contains("root-secret"), "{client}");
            assert!(text.contains("127.0.0.1:9000"), "{client}");
        }
    }
}
