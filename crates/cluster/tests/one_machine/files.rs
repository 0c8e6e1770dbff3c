//! Files that cannot be used, and why.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use vantage_api_cluster::{Cluster, Error, Observer, Settings};

use crate::file::{Files, settings};

async fn refused(url: &str) -> String {
    match Cluster::connect(&settings(url)).await {
        Err(error @ (Error::File { .. } | Error::Url)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named_with_the_reason() {
    let files = Files::new();
    fs::write(files.path("text.db"), "these are no rows, ".repeat(400)).unwrap();
    fs::create_dir(files.path("folder.db")).unwrap();
    let url = |name: &str| format!("sqlite:{}", files.path(name).display());
    for (name, why) in [
        ("missing/jobs.db", "cannot be opened: its folder: No such file"),
        ("text.db/jobs.db", "cannot be opened: "),
        ("folder.db", "cannot be opened: it is a folder"),
        ("text.db", "is no SQLite database"),
    ] {
        let said = refused(&url(name)).await;
        assert!(said.contains(name) && said.contains(why), "{said}");
    }
    for wrong in ["sqlite:", "sqlite::memory:", "sqlite:jobs.db?mode=ro", "mysql://h/d"] {
        assert!(refused(wrong).await.contains("sqlite:FILE"), "{wrong}");
    }
    assert!(!files.path("missing").exists());
}

#[tokio::test]
async fn a_file_of_another_version_is_not_touched() {
    let files = Files::new();
    drop(Cluster::connect(&files.settings()).await.unwrap());
    files.change("UPDATE _apipool_cluster SET version = 99");
    let said = refused(&files.url()).await;
    assert!(said.contains("another version of this program: 99"), "{said}");
    let said = Observer::new(files.url()).unwrap().overview().await.unwrap_err().to_string();
    assert!(said.contains("another version of this program: 99"), "{said}");
    assert_eq!(files.number("SELECT version FROM _apipool_cluster"), 99);
}

/// The queue would rename a table of these names, and drop it; or take it for what it has done.
#[tokio::test]
async fn tables_of_others_that_are_called_as_those_of_the_queue_stay() {
    for table in ["jobs", "Workers", "_sqlx_migrations"] {
        let files = Files::new();
        files.change(&format!("CREATE TABLE {table} (own TEXT); INSERT INTO {table} VALUES ('x')"));
        let said = refused(&files.url()).await;
        assert!(said.contains(&format!("has a table `{table}`")), "{said}");
        assert_eq!(files.number(&format!("SELECT count(own) FROM {table}")), 1);
        assert_eq!(files.number("SELECT count(*) FROM sqlite_schema"), 1);
    }
}

/// Without the right to do everything, if this user has it.
#[tokio::test]
async fn a_file_that_can_only_be_read_can_be_looked_at() {
    const URL: &str = "APIPOOL_CLUSTER_READ_ONLY";
    if let Ok(url) = std::env::var(URL) {
        let said = refused(&url).await;
        assert!(said.contains("can only be read") || said.contains("permission denied"), "{said}");
        println!("refused");
        return;
    }
    let files = Files::new();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    for file in fs::read_dir(files.folder.path()).unwrap() {
        fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "files::a_file_that_can_only_be_read_can_be_looked_at", "--nocapture"]);
    again.env(URL, files.url());
    if may_do_everything() {
        let mut bound = Command::new("setpriv");
        bound.arg("--bounding-set=-dac_override,-dac_read_search");
        bound.arg(again.get_program()).args(again.get_args()).env(URL, files.url());
        again = bound;
    }
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("refused"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let observer = Observer::new(files.url()).unwrap();
    assert!(observer.overview().await.unwrap().workers.is_empty());
    drop(cluster);
}

fn may_do_everything() -> bool {
    let user = Command::new("id").arg("-u").output().unwrap();
    user.stdout.trim_ascii() == b"0"
}

/// vshulcz/deja-vu#2702: a file with a write-ahead log that nobody had open could not be read.
#[tokio::test]
async fn who_looks_makes_no_file_and_needs_nobody_who_has_it_open() {
    let files = Files::new();
    let observer = Observer::new(files.url()).unwrap();
    let said = observer.overview().await.unwrap_err().to_string();
    assert!(said.contains("cluster.db") && said.contains("no such file"), "{said}");
    assert!(!files.path("cluster.db").exists());
    // A file of rows, which no worker has had.
    files.change("CREATE TABLE items (id INTEGER)");
    assert!(observer.overview().await.unwrap().runs.is_empty());
    assert_eq!(files.number("SELECT count(*) FROM sqlite_schema"), 1);
    drop(Cluster::connect(&files.settings()).await.unwrap());
    files.change("INSERT INTO _apipool_run (job, due, begun) VALUES ('copy', 1, 1)");
    files.open("cluster.db").pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    assert_eq!(observer.overview().await.unwrap().runs.len(), 1);
}

#[test]
fn the_file_is_not_shown_where_a_url_would_not_be() {
    let settings = Settings::new("sqlite:secret.db");
    assert!(!format!("{settings:?}").contains("secret"));
}
