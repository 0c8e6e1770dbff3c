//! Programs in C against the shared library: compiled as C99 and as C++17, and run as they are or,
//! with `VAP_TOOLS` in the environment, under checkers of memory and threads as well.

#![cfg(test)]

#[path = "support/build.rs"]
mod build;
#[path = "support/server.rs"]
mod server;
#[path = "support/source.rs"]
mod source;

use build::{Build, Program};
use server::Server;

fn run(name: &str) {
    let (build, server) = (Build::new(), Server::start());
    for program in [build.c99(name), build.cpp17(name)] {
        program.run(&[&server.url]);
    }
}

#[test]
fn each_function_does_what_it_says_and_refuses_what_is_wrong() {
    run("functions");
}

#[test]
fn queues_tell_what_has_ended_and_are_bounded() {
    run("queues");
}

#[test]
fn handles_are_closed_while_others_use_them() {
    run("threads");
}

#[test]
fn a_child_of_a_fork_is_refused() {
    run("fork");
}

#[test]
fn random_calls_end_by_themselves() {
    run("garbage");
}

#[test]
fn the_quick_start_of_mantis_runs() {
    run("mantis");
}

#[test]
fn a_program_links_the_static_library() {
    let server = Server::start();
    Build::new().linked_statically("functions").run(&[&server.url]);
}

#[test]
fn a_program_that_unloads_the_library_goes_on() {
    let server = Server::start();
    Build::new().loading("unload").run(&[&server.url]);
}

/// With the pkg-config that `tests/run` installs. Where both are, `--static` alone links the shared one
/// (rust-lang/pkg-config-rs #38).
#[test]
fn what_is_installed_is_linked_shared_static_and_into_a_static_program() {
    if std::env::var_os("VAP_TOOLS").is_none() {
        return;
    }
    let (build, server) = (Build::new(), Server::start());
    let prefix = build.install();
    for (asked, is_shared) in [
        (&["vantage_pool"][..], true),
        (&["vantage_pool_static"], false),
        (&["--static", "vantage_pool"], false),
    ] {
        let program = build.by_pkg_config("functions", &prefix, asked);
        assert_eq!(program.is_linked_to_the_shared_library(), is_shared, "{asked:?}");
        program.run(&[&server.url]);
    }
}

/// The same under the tools that `tests/run` installs.
#[test]
fn checkers_of_memory_and_threads_find_nothing() {
    if std::env::var_os("VAP_TOOLS").is_none() {
        return;
    }
    let (build, server) = (Build::new(), Server::start());
    for name in ["functions", "queues", "mantis", "threads"] {
        build.c99(name).under_valgrind(&[&server.url]);
    }
    let few = Program::of(&build.c99("garbage"), "2000");
    few.under_valgrind(&[&server.url]);
    for name in ["functions", "queues", "threads", "garbage", "mantis", "fork"] {
        build.sanitized(name, "address,undefined").run(&[&server.url]);
    }
    for name in ["threads", "queues"] {
        build.sanitized(name, "thread").run_for_races(&[&server.url]);
    }
}
