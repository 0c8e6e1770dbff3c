//! What a pool takes from its environment: settings, the proxy, and the roots of the system.
//! Each is read by a process of its own, which the test starts with the variables set.

use std::{env, fs, net::TcpListener, process::Command, time::Duration};

use vantage_api_pool::PoolConfig;

use crate::support::{
    authority::authority,
    proxy,
    raw_server::{Peer, RawServer},
    soon,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CHILD: &str = "READ_BY_THE_CHILD";

/// In the child: what a pool of the environment answers, or the error of its making.
fn child() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pool = PoolConfig::from_env("API").and_then(PoolConfig::builder);
        let pool = pool.and_then(|builder| {
            // Longer than a handshake or a tunnel takes on a busy machine.
            let builder = builder.proxy_from_env().connect_timeout(Duration::from_secs(60));
            builder.max_attempts(1).build()
        });
        let answer = match pool {
            Ok(pool) => soon("an answer", pool.get("/rows")).await,
            Err(error) => Err(error),
        };
        println!("answer: {:?}", answer.map(|answer| answer.text().unwrap().to_owned()));
    });
}

/// What a child says with these variables.
fn in_child(test: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env_clear().env(CHILD, "1");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn answer(mut peer: Peer) {
    while peer.request().await.is_some() {
        peer.write(OK.as_bytes()).await;
    }
}

#[test]
fn the_roots_of_the_system_are_trusted_where_that_is_set() {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    let test = "environment::the_roots_of_the_system_are_trusted_where_that_is_set";
    let (pem, config) = authority("localhost");
    let server = RawServer::start_tls(config, answer);
    let file = env::temp_dir().join(format!("roots-of-{}.pem", std::process::id()));
    fs::write(&file, pem).unwrap();
    let url = format!("https://localhost:{}", server.address().port());
    let said = |roots| {
        let variables = [
            ("API_BASE_URL", url.as_str()),
            ("API_PLATFORM_ROOTS", roots),
            ("SSL_CERT_FILE", file.to_str().unwrap()),
        ];
        in_child(test, &variables)
    };
    assert!(said("true").contains(r#"answer: Ok("ok")"#), "{}", said("true"));
    assert!(said("false").contains("kind: Tls"), "{}", said("false"));
    fs::remove_file(file).unwrap();
}

#[test]
fn the_proxy_of_the_environment_is_used_but_for_the_hosts_without() {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    let test = "environment::the_proxy_of_the_environment_is_used_but_for_the_hosts_without";
    let api = RawServer::start(answer);
    let proxy = proxy::to(api.address());
    let (proxy_url, direct) = (format!("http://{}", proxy.address()), api.url());
    let said = |variables: &[(&str, &str)]| in_child(test, variables);

    let through = said(&[("API_BASE_URL", "http://api.invalid"), ("http_proxy", &proxy_url)]);
    assert!(through.contains(r#"answer: Ok("ok")"#), "{through}");
    assert_eq!(proxy.seen().heads.len(), 1);

    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = format!("http://{nowhere}");
    for no_proxy in ["127.0.0.1", "localhost,127.0.0.0/8", "*"] {
        let variables =
            [("API_BASE_URL", direct.as_str()), ("all_proxy", &nowhere), ("NO_PROXY", no_proxy)];
        assert!(said(&variables).contains(r#"answer: Ok("ok")"#), "{}", said(&variables));
    }
    let variables = [("API_BASE_URL", direct.as_str()), ("HTTP_PROXY", &nowhere)];
    assert!(said(&variables).contains(r#"answer: Ok("ok")"#), "a header of CGI is not a proxy");
}

#[test]
fn a_variable_that_is_no_setting_is_named() {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    let test = "environment::a_variable_that_is_no_setting_is_named";
    let said = in_child(test, &[("API_BASE_URL", "http://api.invalid"), ("API_WORKER", "7")]);
    assert!(said.contains("API_WORKER: unknown field `worker`"), "{said}");
}
