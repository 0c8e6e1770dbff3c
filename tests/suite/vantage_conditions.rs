//! Narrowed tables: what is sent, what is evaluated on the rows, what is refused.

use std::future::Future;

use crate::support::{
    mock::{self, Pages, numbered, param},
    soon,
};
use ciborium::Value;
use futures::StreamExt;
use serde_json::json;
use vantage_api_pool::{
    AwwPool, PoolApi,
    vantage::{ApiCondition, ColumnConditions, Filtering, PoolTableExt},
};
use vantage_core::VantageError;
use vantage_dataset::prelude::*;
use vantage_expressions::{Expression, ExpressiveEnum, traits::datasource::ExprDataSource};
use vantage_table::{
    column::flags::ColumnFlag,
    prelude::{Column, OrderBy, TableSource},
    table::Table,
};
use vantage_types::EmptyEntity;
use wiremock::{
    Mock, MockServer,
    matchers::{path, query_param, query_param_is_missing},
};

type Rows = Table<PoolApi, EmptyEntity>;

fn api(server: &MockServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.uri()).build().unwrap())
}

fn rows(api: PoolApi) -> Rows {
    Table::new("rows", api)
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("n")
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    soon("a read", work).await
}

async fn listed(table: &Rows) -> Vec<String> {
    within(table.list_values()).await.unwrap().into_keys().collect()
}

/// Every read of `table` fails with an error for which `is` holds.
async fn assert_refused(server: &MockServer, table: &Rows, is: fn(&VantageError) -> bool) {
    let errors = [
        within(table.list_values()).await.unwrap_err(),
        within(table.stream_values().next()).await.unwrap().unwrap_err(),
        within(table.get_value("1")).await.unwrap_err(),
        within(table.get_some_value()).await.unwrap_err(),
        within(table.get_count()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(is(&error), "{error}");
    }
    assert_eq!(mock::count(server).await, 0, "nothing is sent");
}

/// What each request had for the parameter `n`.
async fn sent_n(server: &MockServer) -> Vec<Option<String>> {
    mock::received(server).await.iter().map(|request| param(request, "n")).collect()
}

#[tokio::test]
async fn accept_25_an_equality_becomes_one_parameter_and_reserved_characters_survive() {
    let nasty = ["a&b=c", "50 % of + 3/4?", "#frag", "Ærø ☃", "\"quoted\"", "a;b,c"];
    let server = mock::server().await;
    for (index, text) in nasty.iter().enumerate() {
        Mock::given(path("/rows"))
            .and(query_param("text", *text))
            .respond_with(Pages(vec![json!({ "id": index })]))
            .expect(1)
            .mount(&server)
            .await;
        let table = rows(api(&server)).with_condition(ApiCondition::eq("text", *text));
        assert_eq!(listed(&table).await, [index.to_string()], "{text}");
        let sent = mock::query(&mock::last(&server).await);
        assert_eq!(sent.iter().filter(|(name, _)| name == "text").count(), 1);
        assert!(sent.contains(&("text".to_owned(), (*text).to_owned())));
    }
}

#[tokio::test]
async fn accept_25_every_scalar_can_be_sent_in_every_way_to_say_it() {
    let server = mock::answering(Pages(vec![
        json!({ "id": "a", "n": 7, "open": true, "rate": 0.5 }),
        json!({ "id": "b", "n": 8, "open": false, "rate": 1.5 }),
    ]))
    .await;
    let api = api(&server);
    let expression = Expression::new(
        "{} = {}",
        vec![
            ExpressiveEnum::Nested(Expression::new("n", vec![])),
            ExpressiveEnum::Scalar(Value::from(7)),
        ],
    );
    let conditions = [
        ApiCondition::from(expression),
        rows(api.clone())["n"].eq(7),
        PoolApi::eq_condition("n", "7").unwrap(),
        api.eq_value_condition("open", Value::from(true)).unwrap(),
        api.in_values_condition("rate", vec![Value::from(0.5)]).unwrap(),
    ];
    for condition in conditions {
        assert_eq!(
            listed(&rows(api.clone()).with_condition(condition.clone())).await,
            ["a"],
            "{condition}"
        );
    }
    let sent = mock::received(&server).await;
    let sent = sent.iter().flat_map(mock::query).filter(|(name, _)| !name.contains("page"));
    let sent: Vec<_> = sent.map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(sent, ["n=7", "n=7", "n=7", "open=true", "rate=0.5"]);
}

#[tokio::test]
async fn accept_26_what_cannot_be_sent_is_refused_before_any_request() {
    let server = mock::serving(25).await;
    let api = api(&server);
    let expression = |template: &str| {
        let field = ExpressiveEnum::Nested(Expression::new("n", vec![]));
        let value = ExpressiveEnum::Scalar(Value::from(7));
        ApiCondition::from(Expression::new(template, vec![field, value]))
    };
    let conditions = [
        expression("{} > {}"),
        expression("{} != {}"),
        expression("{} LIKE {}"),
        ApiCondition::eq("n", Value::Null),
        ApiCondition::eq("n", Value::Array(vec![7.into()])),
        ApiCondition::eq("n", Value::Map(vec![])),
        ApiCondition::eq("n", Value::Bytes(vec![7])),
        rows(api.clone())["n"].gt(7) | rows(api.clone())["name"].eq("x"),
        rows(api.clone())["n"].in_list([7, 8]),
        api.search_table_condition(&rows(api.clone()), "row"),
        ApiCondition::eq("page", 2),
    ];
    for condition in conditions {
        let table = rows(api.clone()).with_condition(condition);
        assert_refused(&server, &table, VantageError::is_unsupported).await;
    }
}

#[tokio::test]
async fn accept_33_a_search_without_server_support_is_unsupported_when_read() {
    let server = mock::serving(25).await;
    for filtering in [Filtering::Server, Filtering::Mixed, Filtering::Checked, Filtering::Local] {
        let table = rows(api(&server).filtering(filtering)).with_search("row");
        assert_refused(&server, &table, VantageError::is_unsupported).await;
    }
}

#[tokio::test]
async fn accept_34_without_configuration_nothing_is_orderable() {
    let server = mock::serving(25).await;
    let order = OrderBy::descending(ApiCondition::from(Expression::new("n", vec![])));
    let table = rows(api(&server)).with_order(order);
    assert_refused(&server, &table, VantageError::is_unsupported).await;
}

#[tokio::test]
async fn accept_27_an_empty_list_matches_no_row_and_sends_nothing() {
    let server = mock::serving(25).await;
    let none = api(&server).in_values_condition("n", vec![]).unwrap();
    let table = rows(api(&server)).with_condition(none);
    assert_eq!(listed(&table).await, [""; 0]);
    assert!(within(table.stream_values().next()).await.is_none());
    assert_eq!(within(table.get_count()).await.unwrap(), 0);
    assert!(within(table.get_value("1")).await.unwrap().is_none());
    assert!(within(table.get_some_value()).await.unwrap().is_none());
    assert_eq!(mock::count(&server).await, 0);
}

#[tokio::test]
async fn accept_28_a_placeholder_is_filled_from_its_condition_which_leaves_the_query() {
    let server = mock::server().await;
    for (country, segment) in [
        ("a/b", "a%2Fb"),
        ("São Tomé & Príncipe", "S%C3%A3o%20Tom%C3%A9%20%26%20Pr%C3%ADncipe"),
        ("50%", "50%25"),
    ] {
        Mock::given(path(format!("/countries/{segment}/cities")))
            .and(query_param("n", "1"))
            .and(query_param_is_missing("country"))
            .respond_with(Pages(vec![json!({ "id": country, "country": country, "n": 1 })]))
            .expect(1)
            .mount(&server)
            .await;
        let table = Rows::new("countries/{country}/cities", api(&server))
            .with_id_column("id")
            .with_condition(ApiCondition::eq("country", country))
            .with_condition(ApiCondition::eq("n", 1));
        assert_eq!(listed(&table).await, [country]);
    }
}

#[tokio::test]
async fn accept_28_a_placeholder_that_cannot_be_filled_is_an_error_before_any_request() {
    let server = mock::serving(25).await;
    for path in ["rows/{n}/{missing}", "rows/{n", "rows/{}", "rows/n}"] {
        let table = Rows::new(path, api(&server)).with_condition(ApiCondition::eq("n", 1));
        assert_refused(&server, &table, VantageError::is_incorrect_usage).await;
    }
}

#[tokio::test]
async fn accept_29_a_value_that_would_change_the_path_is_an_error_before_any_request() {
    let server = mock::serving(25).await;
    for value in ["", ".", ".."] {
        let table =
            Rows::new("rows/{n}/x", api(&server)).with_condition(ApiCondition::eq("n", value));
        assert_refused(&server, &table, VantageError::is_incorrect_usage).await;
    }
}

#[tokio::test]
async fn accept_30_a_path_with_a_query_is_joined_by_further_parameters() {
    let server = mock::serving(25).await;
    let table = Rows::new("rows?name=row%207", api(&server))
        .with_id_column("id")
        .with_condition(ApiCondition::eq("n", 7));
    assert_eq!(listed(&table).await, ["7"]);
    let sent = &mock::received(&server).await[0];
    assert_eq!(param(sent, "name").as_deref(), Some("row 7"));
    assert_eq!(param(sent, "n").as_deref(), Some("7"));
}

#[tokio::test]
async fn accept_31_a_trailing_slash_of_the_base_url_makes_no_difference() {
    let server = mock::server().await;
    let rows = Mock::given(path("/v1/rows")).respond_with(Pages(numbered(0..5)));
    rows.expect(4).mount(&server).await;
    for base in [format!("{}/v1", server.uri()), format!("{}/v1/", server.uri())] {
        for path in ["rows", "/rows"] {
            let api = PoolApi::new(AwwPool::builder(base.clone()).build().unwrap());
            let table = Rows::new(path, api).with_id_column("id");
            assert_eq!(listed(&table).await.len(), 5);
        }
    }
    assert_eq!(mock::count(&server).await, 4);
}

#[tokio::test]
async fn accept_32_local_filtering_keeps_matching_rows_and_sends_nothing() {
    let server = mock::serving(95).await;
    let api = api(&server).filtering(Filtering::Local);
    let table = rows(api.clone()).with_condition(ApiCondition::is_in("n", [3, 57, 94, 200]));
    assert_eq!(listed(&table).await, ["3", "57", "94"]);
    assert_eq!(within(table.get_count()).await.unwrap(), 3);
    assert_eq!(within(table.get_some_value()).await.unwrap().unwrap().0, "3");
    assert!(within(table.get_value("57")).await.unwrap().is_some());
    assert!(within(table.get_value("58")).await.unwrap().is_none());
    let sent = mock::received(&server).await;
    let known = ["page", "per_page", "id"];
    assert!(sent.iter().flat_map(mock::query).all(|(name, _)| known.contains(&name.as_str())));
}

#[tokio::test]
async fn accept_05_checked_filtering_sends_and_evaluates_and_counts_matching_rows() {
    let server = mock::answering(Pages(numbered(0..95)).whole()).await;
    let table = |filtering| {
        rows(api(&server).filtering(filtering)).with_condition(ApiCondition::eq("n", 57))
    };
    assert_eq!(listed(&table(Filtering::Checked)).await, ["57"]);
    assert_eq!(within(table(Filtering::Checked).get_count()).await.unwrap(), 1);
    assert!(sent_n(&server).await.iter().all(|n| n.as_deref() == Some("57")));
    assert_eq!(listed(&table(Filtering::Server)).await.len(), 95);
}

#[tokio::test]
async fn accept_32_a_row_without_a_declared_field_is_filtered_out_and_a_request_parameter_passes() {
    let rows_served =
        vec![json!({ "id": "a", "n": 7 }), json!({ "id": "b" }), json!({ "id": "c", "n": null })];
    let server = mock::answering(Pages(rows_served).whole()).await;
    let api = api(&server).filtering(Filtering::Local);
    let seven = ApiCondition::eq("n", 7);
    assert_eq!(listed(&rows(api.clone()).with_condition(seven.clone())).await, ["a"]);
    let null = ApiCondition::eq("n", Value::Null);
    assert_eq!(listed(&rows(api.clone()).with_condition(null)).await, ["c"]);
    let parameter = Column::<i64>::new("n").with_flag(ColumnFlag::RequestParam);
    let table = Rows::new("rows", api).with_id_column("id").with_column(parameter);
    assert_eq!(listed(&table.with_condition(seven)).await, ["a", "b"]);
    let sent = sent_n(&server).await.into_iter().flatten();
    assert_eq!(
        sent.collect::<Vec<_>>(),
        ["7"],
        "a request parameter is sent whatever is evaluated"
    );
}

#[tokio::test]
async fn accept_35_narrowing_a_clone_leaves_the_original_unchanged() {
    let server = mock::serving(25).await;
    let table = rows(api(&server));
    let narrowed = table.clone().with_condition(ApiCondition::eq("n", 7));
    assert_eq!(listed(&narrowed).await.len(), 1);
    assert_eq!(listed(&table).await.len(), 25);
}

#[tokio::test]
async fn accept_37_an_equality_becomes_an_invariant_and_is_described() {
    let server = mock::serving(1).await;
    let table = rows(api(&server)).with_condition(ApiCondition::eq("n", 7));
    assert_eq!(table.invariants()["n"], Value::from(7));
    let condition = table.conditions().next().unwrap();
    assert_eq!(table.data_source().describe_condition(condition), "n = 7");
    assert_eq!(table.data_source().condition_column(condition).as_deref(), Some("n"));
}

#[tokio::test]
async fn the_values_of_a_column_are_read_when_the_expression_runs() {
    let server = mock::serving(25).await;
    let table = rows(api(&server));
    let expression = table.data_source().column_table_values_expr(&table, &Column::<i64>::new("n"));
    assert_eq!(mock::count(&server).await, 0);
    let values = within(table.data_source().execute(expression.expression())).await.unwrap();
    assert_eq!(values, Value::Array((0..25).map(Value::from).collect()));
}

#[tokio::test]
async fn writes_are_unsupported_before_any_request() {
    let server = mock::serving(25).await;
    let table = rows(api(&server));
    let (source, id, row) = (table.data_source(), "7".to_owned(), vantage_types::Record::new());
    let errors = [
        source.insert_table_value(&table, &id, &row).await.unwrap_err(),
        source.replace_table_value(&table, &id, &row).await.unwrap_err(),
        source.patch_table_value(&table, &id, &row).await.unwrap_err(),
        source.delete_table_value(&table, &id).await.unwrap_err(),
        source.delete_table_all_values(&table).await.unwrap_err(),
        source.insert_table_return_id_value(&table, &row).await.unwrap_err(),
    ];
    assert!(errors.iter().all(VantageError::is_unsupported));
    assert_eq!(mock::count(&server).await, 0);
}

#[tokio::test]
async fn a_parent_row_fills_the_placeholder_of_its_many_and_narrows_its_one() {
    let city = |name: &str, country: &str| json!({ "id": name, "country": country });
    let cities = vec![city("Lima", "Peru"), city("Cusco", "Peru")];
    let countries = vec![json!({ "id": "Japan" }), json!({ "id": "Peru" })];
    let server = mock::server().await;
    Mock::given(path("/countries")).respond_with(Pages(countries)).mount(&server).await;
    let of_peru =
        Mock::given(path("/countries/Peru/cities")).and(query_param_is_missing("country"));
    of_peru.respond_with(Pages(cities)).mount(&server).await;
    let countries = |api: PoolApi| Rows::new("countries", api).with_id_column("id");
    let cities = |api: PoolApi| Rows::new("countries/{country}/cities", api).with_id_column("id");
    let parents = countries(api(&server)).with_many("cities", "country", cities);
    let peru = within(parents.get_value("Peru")).await.unwrap().unwrap();
    let of_peru: Rows = parents.get_ref_from_row("cities", &peru).unwrap();
    assert_eq!(listed(&of_peru).await, ["Lima", "Cusco"]);

    let lima = within(of_peru.get_value("Lima")).await.unwrap().unwrap();
    let children = cities(api(&server)).with_one("country", "country", countries);
    let country: Rows = children.get_ref_from_row("country", &lima).unwrap();
    assert_eq!(listed(&country).await, ["Peru"]);
}
