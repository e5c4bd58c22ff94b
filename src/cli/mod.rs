//! The command line: flags, subcommands and exit codes. Decides nothing that a server does.

pub mod bucket;
pub mod check;
pub mod completions;
pub mod control;
pub mod doctor;
pub mod encryption;
pub mod explain;
pub mod export;
pub mod health;
pub mod import;
pub mod key;
pub mod lifecycle;
pub mod man;
pub(crate) mod named;
pub mod output;
pub mod quota;
pub mod rebuild;
pub mod restore;
pub mod scrub;
pub mod serve;
pub mod settings;
pub mod snapshot;
mod transfer;
pub mod undelete;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An S3-compatible object gateway: durable chunk files and SQLite, in bounded memory
#[derive(Parser)]
#[command(name = "sluicegate", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve S3, and health and metrics on the admin listener
    Serve(serve::ServeArgs),
    /// Manage access keys; works while a server runs
    Key(key::KeyArgs),
    /// Manage buckets; works while a server runs
    Bucket(bucket::BucketArgs),
    /// Verify every chunk against every row, both ways; exit 1 on any fault
    Check(check::CheckArgs),
    /// Tell a running server what to do: pause, resume, drain, log, jobs
    Control(control::ControlArgs),
    /// Show how far scrub has come and what it found; works while a server runs; exit 1 on any damage
    Scrub(scrub::ScrubArgs),
    /// Take a snapshot of the database now, or list them; works while a server runs
    Snapshot(snapshot::SnapshotArgs),
    /// Put a snapshot in the place of the database; the server must be stopped
    Restore(restore::RestoreArgs),
    /// Make a new database of what the chunk files say; the server must be stopped
    Rebuild(rebuild::RebuildArgs),
    /// Manage the keys of the encryption at rest
    Encryption(encryption::EncryptionArgs),
    /// Bring in what another server or a directory has; what is there already is skipped
    Import(import::ImportArgs),
    /// Write objects as files
    Export(export::ExportArgs),
    /// Look at clock, disk, limits, memory and database, and print settings for clients
    Doctor(doctor::DoctorArgs),
    /// Tell why a running server refused a request, or list the last ones that it refused
    Explain(explain::ExplainArgs),
    /// Ask a running server for its health; exit 0 if it is ready
    Health(health::HealthArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual: a page for each command
    Man(man::ManArgs),
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or found faults, 2 wrong command line";

/// Why a command failed: anything that prints as one line.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Key(arguments) => key::run(arguments),
        Command::Bucket(arguments) => bucket::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Control(arguments) => control::run(arguments),
        Command::Scrub(arguments) => scrub::run(arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Rebuild(arguments) => rebuild::run(&arguments),
        Command::Encryption(arguments) => encryption::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    };
    outcome.unwrap_or_else(|failure| {
        output::fault(&output::describe(failure.as_ref()));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_running_server_is_told_what_to_do() {
        for line in [
            "control pause --reason backup --data-dir d",
            "control resume --data-dir d --json",
            "control --data-dir d drain",
            "control log info,sluicegate::s3=debug --data-dir d",
            "control log --data-dir d",
            "control reload-tls --data-dir d",
            "control rotate-key --data-dir d",
            "control reload-keys --data-dir d --json",
            "control rewrap --data-dir d",
            "control scrub --data-dir d",
            "control snapshot --data-dir d",
            "control jobs --data-dir d --json",
            "control status --data-dir d",
            "explain --data-dir d",
            "explain 0123456789ABCDEF --json --data-dir d",
            "serve --data-dir d --access-log - --access-log-max-size 1MiB --access-log-keep 3 --audit-log f",
            "serve --data-dir d --public-url https://s3.example.com",
        ] {
            assert!(Cli::try_parse_from(std::iter::once("sluicegate").chain(line.split(' '))).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["sluicegate", "control", "--data-dir", "d"]).is_err());
    }

    #[test]
    fn every_command_of_the_contract_parses() {
        for line in [
            "serve --data-dir d --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --memory 64MiB --domain a --domain b",
            "serve --data-dir d --config f --allow-anonymous --allow-signature-v2=false --drain-timeout 1",
            "serve --data-dir d --tls-cert c --tls-key k --log-format json --log warn --upload-expiry-days 3",
            "key add ann --data-dir d",
            "key add ann --access-key ID --secret-key SECRET --data-dir d",
            "key add ann-backup --for ann --policy restic-append-only --policy f.json --bucket b --data-dir d",
            "key attach ann read-only ./own.json --data-dir d",
            "key detach ann read-only --data-dir d",
            "key show ann --json --data-dir d",
            "key --data-dir d list --json",
            "key remove ann --data-dir d",
            "bucket create b --owner ann --data-dir d",
            "bucket list --data-dir d --json",
            "bucket remove b --data-dir d",
            "bucket quota set b --bytes 10GiB --objects none --data-dir d",
            "bucket quota show b --json --data-dir d",
            "key quota set ann --objects 1000 --data-dir d",
            "key quota show ann --data-dir d",
            "bucket undelete set b --days 7 --data-dir d",
            "bucket undelete list b --prefix p/ --json --data-dir d",
            "bucket undelete restore b k --id 12 --data-dir d",
            "bucket undelete restore b --prefix p/ --data-dir d",
            "bucket lifecycle --dry-run b --at 2030-01-01T00:00:00Z --json --data-dir d",
            "bucket lifecycle --dry-run --lifecycle-day-seconds 10 --data-dir d",
            "check --data-dir d --json",
            "scrub --data-dir d --json",
            "snapshot --data-dir d",
            "snapshot --data-dir d --list --json --snapshot-dir s",
            "restore --data-dir d --from s/meta.sqlite",
            "rebuild --data-dir d",
            "serve --data-dir d --scrub-rate 4MiB --scrub-interval 7d",
            "serve --data-dir d --snapshot-interval 6h --snapshot-keep 9 --snapshot-dir s",
            "doctor --data-dir d --memory 64MiB --json",
            "encryption rotate --data-dir d",
            "encryption rewrap --data-dir d --encryption-keys f",
            "encryption list --data-dir d",
            "doctor --data-dir d --confirm-clock",
            "import s3 --from https://nas:9000 --from-access-key ID --from-secret-key S --data-dir d --bucket b --prefix p",
            "import s3 --from http://n --to http://m --parallel 2 --dry-run --objects-only --any-etag --json",
            "import dir tree --bucket b --prefix p/ --to http://m --to-access-key ID --to-secret-key S",
            "import minio-iam export.zip --data-dir d --dry-run --root-user minioadmin --session-policies-alone",
            "export dir tree --bucket b --prefix p/ --data-dir d --json",
            "health --admin-listen 127.0.0.1:9001 --live",
        ] {
            let words = std::iter::once("sluicegate").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in [
            "",
            "serve --unknown",
            "key add",
            "key add ann --access-key ID",
            "key attach ann",
            "bucket",
            "serve extra",
            "bucket quota set b",
            "bucket quota set b --bytes many",
            "bucket undelete set b",
            "bucket undelete restore b",
            "bucket undelete restore b k --prefix p",
            "bucket undelete restore b --prefix p --id 1",
            "bucket lifecycle b",
            "restore --data-dir d",
            "import s3",
            "import s3 --from http://n --parallel 0",
            "import s3 --from http://n --parallel 1000",
            "import dir tree",
            "export dir tree",
            "import minio-iam",
        ] {
            let words = std::iter::once("sluicegate").chain(line.split(' ').filter(|word| !word.is_empty()));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn every_setting_has_a_variable_that_is_named_like_its_flag() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("serve exists");
        let mut settings = 0;
        for argument in serve.get_arguments() {
            let Some(flag) = argument.get_long().filter(|flag| !["help", "version"].contains(flag)) else { continue };
            let expected = format!("SLUICEGATE_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(expected.as_str()));
            settings += 1;
        }
        assert!(settings >= 14, "{settings}");
    }

    #[test]
    fn what_makes_the_command_line_pleasant_parses() {
        for line in [
            "health --admin-listen 127.0.0.1:9001 --json",
            "restore --data-dir d --from s --json",
            "rebuild --data-dir d --json",
            "encryption list --data-dir d --json",
            "key add ann --data-dir d --json",
            "bucket undelete restore b --prefix p/ --json --data-dir d",
            "completions bash",
            "man",
            "man pages",
            "doctor --data-dir d --clock-url https://a --public-url https://b",
        ] {
            let words = std::iter::once("sluicegate").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        for line in ["completions", "completions tcsh", "man a b"] {
            let words = std::iter::once("sluicegate").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }

    /// Commands that print no result.
    const SILENT: [&str; 13] = [
        "serve",
        "key attach",
        "key detach",
        "key limit",
        "key remove",
        "key quota set",
        "bucket create",
        "bucket remove",
        "bucket quota set",
        "bucket undelete set",
        "completions",
        "man",
        "help",
    ];

    fn without_json(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        // What a command takes for all below it, they take.
        if command.get_arguments().any(|argument| argument.get_long() == Some("json") && argument.is_global_set()) {
            return;
        }
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            if inner.has_subcommands() {
                without_json(inner, &path, found);
            } else if !inner.get_arguments().any(|argument| argument.get_long() == Some("json")) {
                found.push(path.trim().to_owned());
            }
        }
    }

    #[test]
    fn every_command_that_prints_a_result_prints_it_as_json_too() {
        let mut found = Vec::new();
        without_json(&Cli::command(), "", &mut found);
        found.retain(|path| !SILENT.contains(&path.as_str()));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn no_flag_takes_roots_secret() {
        let serve = Cli::command().find_subcommand("serve").expect("serve exists").clone();
        assert!(serve.get_arguments().all(|argument| !argument.get_id().as_str().contains("secret")));
    }
}
