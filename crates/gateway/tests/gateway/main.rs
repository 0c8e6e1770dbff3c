//! The gateway over raw sockets: what it serves, what it refuses, and what no client can do to it.
//!
//! What a server on actix-web is known to get wrong, and the test that holds it (`kv` is the other
//! folder of tests):
//!
//! | trap | test |
//! |---|---|
//! | bombs in coded bodies | `traps::a_coded_body_is_refused…`, `kv::bodies::codings_and_parts…` |
//! | short answers made longer by compression, tags of variants | `compression::*` |
//! | parts of a stream kept back | `streams::a_stream_has_all_rows_a_page_at_a_time`, `status::*` |
//! | slow or silent heads, bodies and readers | `traps::a_head_that…`, `traps::a_body_that…`, `traps::a_client_that_does_not_read…`, `kv::bodies::*` |
//! | bodies that go on after their answer | `traps::a_body_that_goes_on…` |
//! | work for a client that has left | `traps::a_client_that_leaves…`, `streams::a_client_that_leaves…` |
//! | a panic without an answer | `traps::a_panic_is_an_answer…`, `more_reports::a_load_that_panics…` |
//! | HEAD, OPTIONS and other methods as 404 | `traps::methods_are_answered…`, `writes::what_is_not_allowed…`, `kv::http::other_methods…` |
//! | paths decoded twice or leniently | `traps::a_path_is_decoded_once…`, `kv::paths::*` |
//! | parameters lost, doubled or ignored | `traps::a_query_is_read…`, `queries::*` |
//! | heads that can be read in two ways, many or long fields, long URLs | `traps::heads_that_may_be_read…`, `traps::a_url_that_is_too_long…` |
//! | the host of a request believed | `traps::the_host_of_a_request…`, `auth::clients_behind_a_trusted_proxy…` |
//! | bodies of a wrong type, shape, depth or size | `writes::a_body_is_taken…`, `traps::nesting_is_bounded`, `traps::a_body_that_is_too_large…` |
//! | an end that loses requests | `drain::*` |
//! | texts and fields of upstreams in answers | `faults::nothing_of_an_error…`, `faults::neither_fields_nor_texts…` |
//! | columns set, filtered or sorted by that are not shown | `writes::columns_that_may_not…`, `queries::a_column_that_is_not_shown…`, `more_reports::the_name_of_a_column…` |
//! | one name space for keys and tables, stored pages with scripts | `kv::paths::no_key_leads…`, `kv::http::a_value_that_may_be_active…` |
//! | answers kept for one and given to another | `cache::no_principal_gets…`, `cache::a_principal_with_other_roles…`, `reports::what_is_kept_is_not_given…` |
//! | origins reflected, cookies, tokens in queries | `faults::no_page_of_another_origin…`, `more_reports::whatever_depends_on_the_origin…`, `auth::credentials_are_needed…` |
//! | guesses without end | `auth::a_network_that_fails…`, `auth::a_network_is_limited…` |
//! | ids that forge logs | `faults::an_id_of_a_request…` |
//! | filters, lists, rows and answers without bounds | `faults::filters_cannot…`, `faults::an_answer_is_bounded…`, `traps::more_requests…` |
//! | places to read from, named by a client | `faults::nothing_that_a_client_sends…` |
//! | statistics open to all, quotas of others | `auth::nothing_but_whether_it_lives…`, `operate::they_can_be_kept…`, `auth::each_principal_has…` |
//! | whole tables deleted | `bulk::*`, `reports::a_delete_without_a_filter…` |
//!
//! That secrets are compared in constant time is no matter of a socket: `Tokens` looks at each
//! digest, whatever it finds.

#![cfg(test)]

mod support;

mod acceptance;
mod auth;
mod batch;
mod bulk;
mod cache;
mod compression;
mod drain;
mod faults;
mod jobs;
mod more_reports;
mod mounted;
mod openapi;
mod operate;
mod own_client;
mod pages;
mod queries;
mod reads;
mod relations;
mod reports;
mod settings;
mod status;
mod streams;
mod traps;
mod writes;
