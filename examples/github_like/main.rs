//! An adapter for an API like GitHub's: its tables and its special features.
//!
//! ```text
//! cargo run --release --example github_like
//! ```
//!
//! The API is a replica in this process; `replica.rs` says what it has in common with the original.

#![allow(clippy::print_stdout, unreachable_pub)]

mod replica;

use std::{error::Error, time::Duration};

use serde::{Deserialize, Serialize};
use vantage_api_pool::{
    AwwPool, Envelope, Paging, PoolApi,
    tokens::bearer,
    vantage::{ApiCondition, ApiTable, PoolTableExt},
};
use vantage_cli_util::print_table;
use vantage_dataset::prelude::ReadableDataSet;
use vantage_table::{pagination::Pagination, table::Table};

use replica::{OWNER, Replica, TOKEN};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Repository {
    name: String,
    owner_login: String,
    stargazers_count: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Issue {
    number: u64,
    title: String,
    state: String,
}

/// The special features of the API: bare lists that name the next page in a header, at most 100
/// rows a page, repositories below their owner, owners inside of them.
fn adapter(pool: &AwwPool, owner: &str) -> PoolApi {
    PoolApi::new(pool)
        .paging(Paging::link_header().page_size("per_page", 100))
        .envelope(Envelope::bare_array())
        .table(
            "repos",
            ApiTable::new()
                .path("/users/{owner_login}/repos")
                .item_path("/repos/{owner_login}/{name}")
                .alias("owner_login", "owner.login"),
        )
        .table("issues", ApiTable::new().path(format!("/repos/{owner}/{{repo}}/issues")))
        .table(
            "search",
            ApiTable::new()
                .path("/search/repositories")
                .envelope(Envelope::items_at("items").total_at("total_count")),
        )
}

fn repositories(api: PoolApi, owner: &str) -> Table<PoolApi, Repository> {
    Table::new("repos", api)
        .with_id_column("name")
        .with_column_of::<String>("owner_login")
        .with_column_of::<u64>("stargazers_count")
        .with_many("issues", "repo", issues)
        .with_condition(ApiCondition::eq("owner_login", owner))
}

fn issues(api: PoolApi) -> Table<PoolApi, Issue> {
    Table::new("issues", api)
        .with_id_column("id")
        .with_column_of::<u64>("number")
        .with_column_of::<String>("title")
        .with_column_of::<String>("state")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let replica = Replica::start()?;
    let pool = AwwPool::new(3, None, false, replica.url()).with_auth_callback(
        1,
        || async { Ok::<_, std::io::Error>(TOKEN.to_owned()) },
        bearer,
    );
    let api = adapter(&pool, OWNER);

    let repositories = repositories(api.clone(), OWNER);
    println!("{} repositories, {} requests", repositories.get_count().await?, replica.requests());
    let window = Pagination::window(100, 5);
    print_table(&repositories.clone().with(|table| table.set_pagination(Some(window)))).await?;
    let one = repositories.get("kernel-200").await?.ok_or("there is no such repository")?;
    println!("{} of {} has {} stars", one.name, one.owner_login, one.stargazers_count);

    let some = Pagination::window(10, 3);
    let some = repositories.with(|table| table.set_pagination(Some(some)));
    let issues = some.get_ref_as::<Issue>("issues")?;
    let all = issues.clone().with_condition(ApiCondition::eq("state", "all"));
    println!("{} open issues in three of them", issues.get_count().await?);
    println!("{} issues in all, {} requests", all.get_count().await?, replica.requests());

    let found = Table::<PoolApi, Repository>::new("search", api)
        .with_id_column("name")
        .with_condition(ApiCondition::eq("q", "router"));
    println!("{} routers, as the total says", found.get_count().await?);

    println!("{}", pool.stats().await?);
    pool.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
