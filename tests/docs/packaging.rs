//! The files in `packaging/` fit the server: probes ask paths and ports that it has, memory is what it can run with,
//! rules and dashboard name metrics that exist, settings are settings.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sluicegate::config::{Config, load_file};
use sluicegate::limits::{MEMORY_BYTES_MIN, MIB};
use sluicegate::telemetry::metric::{ALL, Kind};
use yaml_rust2::{Yaml, YamlLoader};

use super::support::server::admin_address;
use super::support::{Client, Server};
use super::{read, root};

/// What a process costs at most beside `--memory`.
const PROCESS_BYTES: u64 = 32 * MIB;

fn documents(path: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn of_kind(documents: &[Yaml], kind: &str) -> Yaml {
    documents
        .iter()
        .find(|document| document["kind"].as_str() == Some(kind))
        .unwrap_or_else(|| panic!("{kind}"))
        .clone()
}

fn list(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().unwrap_or_else(|| panic!("a list: {yaml:?}"))
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("text: {yaml:?}"))
}

/// `64Mi` or `64MiB` in bytes.
fn bytes(size: &str) -> u64 {
    let number = size.trim_end_matches("MiB").trim_end_matches("Mi");
    number.parse::<u64>().unwrap_or_else(|_| panic!("{size}")) * MIB
}

#[test]
fn probes_of_kubernetes_ask_what_the_server_answers() {
    let documents = documents("packaging/kubernetes/sluicegate.yaml");
    let set = of_kind(&documents, "StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let arguments: Vec<_> = list(&container["args"]).iter().map(text).collect();
    let value =
        |flag: &str| arguments.iter().find_map(|argument| argument.strip_prefix(flag)?.strip_prefix('=')).unwrap();
    let port = |flag: &str| value(flag).rsplit_once(':').unwrap().1.parse::<i64>().unwrap();
    let named = |name: &str| {
        let ports = list(&container["ports"]);
        ports.iter().find(|port| port["name"].as_str() == Some(name)).unwrap()["containerPort"].as_i64().unwrap()
    };
    assert_eq!((named("s3"), named("admin")), (port("--listen"), port("--admin-listen")));
    let service = of_kind(&documents, "Service");
    assert_eq!(list(&service["spec"]["ports"]).len(), 1, "the admin listener is nobody's");
    assert_eq!(text(&service["spec"]["ports"][0]["targetPort"]), "s3");
    let annotations = &set["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(text(&annotations["prometheus.io/port"]), port("--admin-listen").to_string());

    // The server itself says whether the paths are its own, with the arguments of the manifest but for addresses.
    let passed: Vec<_> = arguments[1..].iter().copied().filter(|argument| !argument.contains("listen")).collect();
    assert_eq!(arguments[0], "serve");
    let server = Server::start_with(&passed);
    let admin = Client::new(admin_address(&server.log()), None);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let ask = &container[probe]["httpGet"];
        assert_eq!(text(&ask["port"]), "admin", "{probe}");
        admin.get(text(&ask["path"])).expect(200);
    }
    assert_eq!(text(&container["livenessProbe"]["httpGet"]["path"]), "/health/live", "a full disk is no death");
    assert_eq!(text(&container["readinessProbe"]["httpGet"]["path"]), "/health/ready");
    admin.get(text(&annotations["prometheus.io/path"])).expect(200);
}

#[test]
fn the_pod_has_the_memory_that_the_server_needs_and_no_rights() {
    let documents = documents("packaging/kubernetes/sluicegate.yaml");
    let set = of_kind(&documents, "StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let arguments: Vec<_> = list(&container["args"]).iter().map(text).collect();
    let flag = |flag: &str| arguments.iter().find_map(|argument| argument.strip_prefix(flag)).unwrap();
    let (memory, limit) = (bytes(flag("--memory=")), bytes(text(&container["resources"]["limits"]["memory"])));
    assert_eq!(limit, 64 * MIB);
    assert!(memory >= MEMORY_BYTES_MIN && memory + PROCESS_BYTES <= limit, "{memory} of {limit}");
    assert_eq!(set["spec"]["replicas"].as_i64(), Some(1));
    let drain = Duration::from_secs(flag("--drain-timeout=").trim_end_matches('s').parse().unwrap());
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(i64::try_from(drain.as_secs()).unwrap() < grace);
    assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true));
    let context = &container["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(context["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(text(&context["capabilities"]["drop"][0]), "ALL");
    let secret = of_kind(&documents, "Secret");
    let variables = list(&container["env"]);
    let secrets = variables.iter().filter(|variable| !variable["valueFrom"].is_badvalue());
    let mut count = 0;
    for variable in secrets {
        let from = &variable["valueFrom"]["secretKeyRef"];
        assert_eq!(from["name"], secret["metadata"]["name"]);
        assert!(!secret["stringData"][text(&from["key"])].is_badvalue(), "{from:?}");
        count += 1;
    }
    assert_eq!(count, 2);
}

/// Words of an expression that look like metrics of ours or of the process.
fn metrics_in(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("sluicegate_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[track_caller]
fn require_metrics(expression: &str) {
    for name in metrics_in(expression) {
        let is_known = ALL.iter().any(|metric| {
            let rest = name.strip_prefix(metric.name);
            rest.is_some_and(|rest| {
                rest.is_empty() || metric.kind == Kind::Histogram && ["_bucket", "_sum", "_count"].contains(&rest)
            })
        });
        assert!(is_known, "{name} in {expression} is no metric");
    }
}

#[test]
fn alerts_name_metrics_that_exist() {
    let documents = documents("packaging/prometheus/alerts.yml");
    let rules = list(&documents[0]["groups"][0]["rules"]);
    assert!(rules.len() >= 10);
    let mut named = Vec::new();
    for rule in rules {
        let expression = text(&rule["expr"]);
        require_metrics(expression);
        named.extend(metrics_in(expression));
        assert!(["critical", "warning"].contains(&text(&rule["labels"]["severity"])), "{expression}");
        let annotations = &rule["annotations"];
        assert!(!text(&annotations["summary"]).is_empty() && !text(&annotations["description"]).is_empty());
    }
    for must in ["sluicegate_read_only", "sluicegate_damaged_chunks", "sluicegate_damaged_small_bodies"] {
        assert!(named.iter().any(|name| name == must), "nobody is woken for {must}");
    }
    // The judge of Prometheus itself, where it is installed.
    if let Ok(checked) = Command::new("promtool").args(["check", "rules", "packaging/prometheus/alerts.yml"]).output() {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    } else {
        eprintln!("promtool is not installed: its check is left out");
    }
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("packaging/grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = Vec::new();
    let mut ids = Vec::new();
    for panel in panels {
        ids.push(panel["id"].as_u64().unwrap());
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            require_metrics(expression);
            shown.extend(metrics_in(expression));
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() == count && count > 20, "ids of panels are unique");
    assert!(shown.len() > 30, "{shown:?}");
}

#[test]
fn the_settings_of_the_package_are_settings() {
    let raw = load_file(&root().join("packaging/debian/sluicegate.toml")).unwrap();
    let config = Config::decide(raw, None).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/sluicegate"));
    // What is commented out is legal, too.
    let text = read("packaging/debian/sluicegate.toml");
    let opened = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if setting.contains(" = ") => setting,
        _ => line,
    });
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("all.toml");
    std::fs::write(&path, opened.collect::<Vec<_>>().join("\n")).unwrap();
    let config = Config::decide(load_file(&path).unwrap(), None).unwrap();
    assert!(config.tls.is_some() && config.domains == ["s3.example.com"]);
}

#[test]
fn the_unit_waits_for_the_drain_and_writes_nowhere_else() {
    let unit = read("packaging/systemd/sluicegate.service");
    let value = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    assert_eq!(value("Type"), "notify");
    assert!(value("WatchdogSec").parse::<u64>().unwrap() >= 10);
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > sluicegate::limits::DRAIN_TIMEOUT_SECONDS);
    assert_eq!(value("ProtectSystem"), "strict");
    let settings = read("packaging/debian/sluicegate.toml");
    assert!(settings.contains(&format!("data-dir = \"/var/lib/{}\"", value("StateDirectory"))));
    assert!(value("ExecStart").ends_with("serve --config /etc/sluicegate/sluicegate.toml"));
    let socket = read("packaging/systemd/sluicegate.socket");
    let addresses: Vec<_> = socket.lines().filter_map(|line| line.strip_prefix("ListenStream=")).collect();
    assert_eq!(addresses, ["0.0.0.0:9000", "127.0.0.1:9001"], "S3, then the administrator's");

    // The judge of systemd itself, where it is installed: 0 is safe, 10 is not.
    let mut judge = Command::new("systemd-analyze");
    judge.args(["security", "--offline=true", "--no-pager"]).arg("--threshold=25");
    match judge.arg(root().join("packaging/systemd/sluicegate.service")).output() {
        Ok(judged) => assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout)),
        Err(_) => eprintln!("systemd-analyze is not installed: its judgement is left out"),
    }
}
