/* Each function of the interface, as it should go and with what can be wrong about its arguments. */
#include "check.h"

static void versions(void) {
  CHECK(vap_abi_version() == VAP_ABI);
  CHECK(strlen(vap_version()) >= 5);
}

static void errors_of_nothing(void) {
  const uint8_t *body;
  vap_error *none = NULL;
  CHECK(vap_error_code(NULL) == 0 && vap_error_kind(NULL) == NULL);
  CHECK(vap_error_message(NULL) == NULL && vap_error_status(NULL) == 0);
  CHECK(vap_error_attempts(NULL) == 0 && vap_error_retry_after_ms(NULL) == -1);
  CHECK(vap_error_page(NULL) == -1 && vap_error_is_retryable(NULL) == 0);
  CHECK(vap_error_delivery(NULL) == 0 && vap_error_body(NULL, &body) == 0);
  CHECK(vap_error_body(NULL, NULL) == 0);
  vap_error_free(NULL);
  vap_error_free(&none);
  vap_buf_free(NULL);
}

static void pools(const char *url) {
  vap_handle pool = 0, twice, cancel = 0;
  vap_buf stats;
  SAYS(VAP_E_CONFIG, "base", vap_pool_open("{}", VAP_NUL, &pool, &error));
  CHECK(pool == 0);
  SAYS(VAP_E_CONFIG, "wrokers",
       vap_pool_open("{base_url: \"http://x\", wrokers: 1}", VAP_NUL, &pool, &error));
  SAYS(VAP_E_ARGUMENT, "config: is NULL", vap_pool_open(NULL, 3, &pool, &error));
  SAYS(VAP_E_ARGUMENT, "config: is NULL", vap_pool_open(NULL, VAP_NUL, &pool, &error));
  SAYS(VAP_E_ARGUMENT, "UTF-8", vap_pool_open("\xff\xfe", 2, &pool, &error));
  SAYS(VAP_E_ARGUMENT, "length", vap_pool_open("x", SIZE_MAX - 1, &pool, &error));
  SAYS(VAP_E_ARGUMENT, "out: is NULL", vap_pool_open("{}", VAP_NUL, NULL, &error));
  pool = pool_of(url);
  /* Without a place for the error. */
  CHECK(vap_pool_stats(0, &stats, NULL) == VAP_E_HANDLE);
  GIVES(VAP_OK, vap_pool_stats(pool, &stats, &error));
  CHECK(stats.len > 2 && stats.ptr[0] == '{');
  vap_buf_free(&stats);
  vap_buf_free(&stats);
  CHECK(stats.ptr == NULL && stats.len == 0 && stats.owner == 0);
  SAYS(VAP_E_ARGUMENT, "out", vap_pool_stats(pool, NULL, &error));
  GIVES(VAP_OK, vap_pool_set_rate(pool, 1000.0, &error));
  GIVES(VAP_OK, vap_pool_set_rate(pool, 0.0, &error));
  GIVES(VAP_E_CONFIG, vap_pool_set_rate(pool, -1.0, &error));
  GIVES(VAP_E_ARGUMENT, vap_pool_set_rate(pool, strtod("nan", NULL), &error));
  GIVES(VAP_OK, vap_pool_resize(pool, 2, &error));
  GIVES(VAP_E_CONFIG, vap_pool_resize(pool, 0, &error));
  GIVES(VAP_E_CONFIG, vap_pool_invalidate_token(pool, 7, &error));
  GIVES(VAP_E_HANDLE, vap_pool_set_rate(pool + 1, 1.0, &error));
  GIVES(VAP_E_HANDLE, vap_pool_resize(0, 1, &error));
  GIVES(VAP_E_HANDLE, vap_pool_invalidate_token(UINT64_MAX, 0, &error));
  GIVES(VAP_OK, vap_cancel_new(&cancel, &error));
  SAYS(VAP_E_HANDLE, "a cancellation, not a pool", vap_pool_resize(cancel, 1, &error));
  SAYS(VAP_E_HANDLE, "not a pool", vap_pool_close(&cancel, 0, &error));
  CHECK(cancel != 0);
  GIVES(VAP_OK, vap_close(&cancel, &error));
  twice = pool;
  GIVES(VAP_OK, vap_pool_close(&pool, 1000, &error));
  CHECK(pool == 0);
  GIVES(VAP_OK, vap_pool_close(&pool, 1000, &error));
  GIVES(VAP_E_ARGUMENT, vap_pool_close(NULL, 0, &error));
  SAYS(VAP_E_HANDLE, "was closed", vap_pool_stats(twice, &stats, &error));
  SAYS(VAP_E_HANDLE, "closed before", vap_close(&twice, &error));
  CHECK(twice == 0);
  GIVES(VAP_OK, vap_close(&twice, &error));
  GIVES(VAP_E_ARGUMENT, vap_close(NULL, &error));
}

/* The server tells what it was sent in small letters. */
static void signs_in_as(vap_handle pool, const char *authorization) {
  vap_handle response = 0;
  vap_buf body;
  GIVES(VAP_OK, vap_get(pool, "/authorization", VAP_NUL, LONG_MS, 0, &response, &error));
  GIVES(VAP_OK, vap_response_body(response, &body, &error));
  CHECK(buf_is(&body, authorization));
  vap_buf_free(&body);
  GIVES(VAP_OK, vap_close(&response, &error));
}

static void tokens(const char *url) {
  vap_handle pool = pool_of(url);
  char config[512];
  SAYS(VAP_E_STATE, "by value", vap_pool_set_token(pool, 0, "x", VAP_NUL, &error));
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
  snprintf(config, sizeof config, "{base_url: \"%s\", auth: {bearer: first}}", url);
  GIVES(VAP_OK, vap_pool_open(config, VAP_NUL, &pool, &error));
  signs_in_as(pool, "bearer first");
  GIVES(VAP_OK, vap_pool_set_token(pool, 0, "second", 6, &error));
  signs_in_as(pool, "bearer second");
  SAYS(VAP_E_ARGUMENT, "slot", vap_pool_set_token(pool, 1, "x", VAP_NUL, &error));
  SAYS(VAP_E_ARGUMENT, "empty", vap_pool_set_token(pool, 0, "", 0, &error));
  SAYS(VAP_E_ARGUMENT, "header", vap_pool_set_token(pool, 0, "a\nb", VAP_NUL, &error));
  SAYS(VAP_E_ARGUMENT, "NULL", vap_pool_set_token(pool, 0, NULL, 0, &error));
  GIVES(VAP_E_HANDLE, vap_pool_set_token(0, 0, "x", VAP_NUL, &error));
  signs_in_as(pool, "bearer second");
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
  /* Before anything was sent, and one of two. */
  snprintf(config, sizeof config, "{base_url: \"%s\", auth: {bearer: [a, b]}}", url);
  GIVES(VAP_OK, vap_pool_open(config, VAP_NUL, &pool, &error));
  GIVES(VAP_OK, vap_pool_set_token(pool, 0, "c", VAP_NUL, &error));
  GIVES(VAP_OK, vap_pool_set_token(pool, 1, "c", VAP_NUL, &error));
  signs_in_as(pool, "bearer c");
  signs_in_as(pool, "bearer c");
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
}

static void calls(vap_handle pool) {
  vap_handle response = 0, request = 0, cancel = 0;
  vap_buf body, header;
  vap_error *error = NULL;
  const uint8_t *text;
  int32_t status = 0;
  GIVES(VAP_OK, vap_get(pool, "/ok?x", 3, LONG_MS, 0, &response, &error));
  GIVES(VAP_OK, vap_response_status(response, &status, &error));
  CHECK(status == 200);
  GIVES(VAP_OK, vap_response_header(response, "x-test", VAP_NUL, &header, &error));
  CHECK(buf_is(&header, "yes"));
  vap_buf_free(&header);
  GIVES(VAP_NOT_FOUND, vap_response_header(response, "x-none", VAP_NUL, &header, &error));
  CHECK(header.ptr == NULL && header.owner == 0);
  GIVES(VAP_NOT_FOUND, vap_response_header(response, "no name\n", VAP_NUL, &header, &error));
  GIVES(VAP_E_ARGUMENT, vap_response_header(response, NULL, 0, &header, &error));
  GIVES(VAP_OK, vap_response_headers(response, &header, &error));
  CHECK(buf_has(&header, "x-test: yes\r\n"));
  vap_buf_free(&header);
  GIVES(VAP_OK, vap_response_body(response, &body, &error));
  CHECK(buf_is(&body, "{\"ok\":true}"));
  GIVES(VAP_E_HANDLE, vap_response_status(pool, &status, &error));
  GIVES(VAP_E_HANDLE, vap_response_body(0, &header, &error));
  GIVES(VAP_E_HANDLE, vap_response_headers(1, &header, &error));
  GIVES(VAP_E_ARGUMENT, vap_response_status(response, NULL, &error));
  GIVES(VAP_OK, vap_close(&response, &error));
  /* It outlives its response. */
  CHECK(buf_is(&body, "{\"ok\":true}"));
  vap_buf_free(&body);

  CHECK(vap_get(pool, "/status/404", VAP_NUL, LONG_MS, 0, &response, &error) == VAP_E_CALL);
  CHECK(response == 0 && vap_error_status(error) == 404 && vap_error_attempts(error) == 1);
  CHECK(strcmp(vap_error_kind(error), "status") == 0 && !vap_error_is_retryable(error));
  CHECK(vap_error_delivery(error) == 2 && vap_error_page(error) == -1);
  CHECK(vap_error_retry_after_ms(error) == -1);
  CHECK(vap_error_body(error, &text) == 13 && memcmp(text, "no such thing", 13) == 0);
  vap_error_free(&error);
  SAYS(VAP_E_CALL, "outside",
       vap_get(pool, "http://elsewhere.example/", VAP_NUL, LONG_MS, 0, &response, &error));
  GIVES(VAP_E_ARGUMENT, vap_get(pool, NULL, VAP_NUL, LONG_MS, 0, &response, &error));
  GIVES(VAP_E_ARGUMENT, vap_get(pool, "/ok", VAP_NUL, LONG_MS, 0, NULL, &error));
  GIVES(VAP_E_HANDLE, vap_get(7, "/ok", VAP_NUL, LONG_MS, 0, &response, &error));
  GIVES(VAP_E_HANDLE, vap_get(pool, "/ok", VAP_NUL, LONG_MS, 7, &response, &error));
  GIVES(VAP_TIMEOUT, vap_get(pool, "/slow", VAP_NUL, 50, 0, &response, &error));
  GIVES(VAP_TIMEOUT, vap_get(pool, "/slow", VAP_NUL, 0, 0, &response, &error));

  /* What is empty has an owner and no address: Go dies of one that is none (ihciah/rust2go #92,
   * mozilla/ffi-support #7). */
  GIVES(VAP_OK, vap_request_new("POST", VAP_NUL, "/echo", VAP_NUL, &request, &error));
  GIVES(VAP_OK, vap_send(pool, request, LONG_MS, 0, &response, &error));
  GIVES(VAP_OK, vap_response_body(response, &body, &error));
  CHECK(body.ptr == NULL && body.len == 0 && body.owner != 0);
  vap_buf_free(&body);
  GIVES(VAP_OK, vap_close(&response, &error));
  GIVES(VAP_OK, vap_close(&request, &error));
  GIVES(VAP_OK, vap_request_new("POST", VAP_NUL, "/echo", VAP_NUL, &request, &error));
  GIVES(VAP_OK, vap_request_header(request, "x-say", VAP_NUL, "h\xc3\xa9", VAP_NUL, &error));
  GIVES(VAP_E_CALL, vap_request_header(request, "x y", VAP_NUL, "1", VAP_NUL, &error));
  GIVES(VAP_E_CALL, vap_request_header(request, "x-y", VAP_NUL, "1\r\nx: 2", VAP_NUL, &error));
  GIVES(VAP_E_ARGUMENT, vap_request_header(request, NULL, 1, "1", VAP_NUL, &error));
  GIVES(VAP_E_ARGUMENT, vap_request_header(request, "x", VAP_NUL, NULL, 1, &error));
  GIVES(VAP_OK, vap_request_query(request, "q", VAP_NUL, "a b&c", VAP_NUL, &error));
  GIVES(VAP_OK, vap_request_body(request, (const uint8_t *)"one\0two", 7, &error));
  GIVES(VAP_E_ARGUMENT, vap_request_body(request, NULL, 7, &error));
  GIVES(VAP_OK, vap_request_timeout_ms(request, LONG_MS, &error));
  GIVES(VAP_OK, vap_request_priority(request, -1, &error));
  GIVES(VAP_E_ARGUMENT, vap_request_priority(request, 2, &error));
  GIVES(VAP_OK, vap_request_idempotency_key(request, "key-1", VAP_NUL, &error));
  GIVES(VAP_E_CALL, vap_request_idempotency_key(request, "\n", VAP_NUL, &error));
  for (int times = 0; times < 2; times++) {
    GIVES(VAP_OK, vap_send(pool, request, LONG_MS, 0, &response, &error));
    GIVES(VAP_OK, vap_response_body(response, &body, &error));
    CHECK(body.len == 7 && memcmp(body.ptr, "one\0two", 7) == 0);
    vap_buf_free(&body);
    GIVES(VAP_OK, vap_response_header(response, "x-target", VAP_NUL, &header, &error));
    CHECK(buf_is(&header, "/echo?q=a%20b%26c"));
    vap_buf_free(&header);
    GIVES(VAP_OK, vap_close(&response, &error));
  }
  GIVES(VAP_E_ARGUMENT, vap_request_new("G T", VAP_NUL, "/", VAP_NUL, &response, &error));
  GIVES(VAP_E_ARGUMENT, vap_request_new(NULL, VAP_NUL, "/", VAP_NUL, &response, &error));
  GIVES(VAP_E_ARGUMENT, vap_request_new("GET", VAP_NUL, "/", VAP_NUL, NULL, &error));
  GIVES(VAP_E_HANDLE, vap_send(pool, pool, LONG_MS, 0, &response, &error));
  GIVES(VAP_E_HANDLE, vap_send(request, request, LONG_MS, 0, &response, &error));
  GIVES(VAP_E_HANDLE, vap_request_header(0, "x", VAP_NUL, "1", VAP_NUL, &error));
  GIVES(VAP_E_HANDLE, vap_request_query(0, "x", VAP_NUL, "1", VAP_NUL, &error));
  GIVES(VAP_E_HANDLE, vap_request_body(0, NULL, 0, &error));
  GIVES(VAP_E_HANDLE, vap_request_timeout_ms(0, 0, &error));
  GIVES(VAP_E_HANDLE, vap_request_priority(0, 0, &error));
  GIVES(VAP_E_HANDLE, vap_request_idempotency_key(0, "x", VAP_NUL, &error));

  GIVES(VAP_OK, vap_cancel_new(&cancel, &error));
  GIVES(VAP_OK, vap_cancel(cancel, &error));
  GIVES(VAP_E_CANCELLED, vap_get(pool, "/ok", VAP_NUL, LONG_MS, cancel, &response, &error));
  GIVES(VAP_OK, vap_cancel_reset(cancel, &error));
  GIVES(VAP_OK, vap_get(pool, "/ok", VAP_NUL, LONG_MS, cancel, &response, &error));
  GIVES(VAP_OK, vap_close(&response, &error));
  GIVES(VAP_E_ARGUMENT, vap_cancel_new(NULL, &error));
  GIVES(VAP_E_HANDLE, vap_cancel(pool, &error));
  GIVES(VAP_E_HANDLE, vap_cancel_reset(0, &error));
  GIVES(VAP_OK, vap_close(&cancel, &error));
  GIVES(VAP_OK, vap_close(&request, &error));
}

static void streams(vap_handle pool) {
  vap_handle stream = 0, batch = 0, cancel = 0;
  const vap_slice *items;
  vap_buf token, resumed[2];
  size_t count, total = 0, bytes;
  uint64_t page;
  char options[4096];
  GIVES(VAP_OK, vap_stream_open(pool, "/items", VAP_NUL, NULL, 0, &stream, &error));
  CHECK(batch == 0);
  memset(&token, 0, sizeof token);
  for (;;) {
    vap_error *error = NULL;
    int32_t code = vap_stream_next(stream, 250, 0, LONG_MS, 0, &batch, &error);
    if (code == VAP_END) break;
    CHECK(code == VAP_OK && error == NULL);
    GIVES(VAP_OK, vap_batch_items(batch, &items, &count, &error));
    CHECK(count >= 100 && count <= 250 && count % 100 == 0);
    for (size_t at = 0; at < count; at++) {
      char expected[64];
      snprintf(expected, sizeof expected, "{\"id\":%d,\"name\":\"item %d\"}", (int)(total + at),
               (int)(total + at));
      CHECK(items[at].len == strlen(expected));
      CHECK(memcmp(items[at].ptr, expected, items[at].len) == 0);
    }
    total += count;
    GIVES(VAP_OK, vap_batch_bytes(batch, &bytes, &error));
    CHECK(bytes > count * 20);
    GIVES(VAP_OK, vap_batch_page(batch, &page, &error));
    CHECK(page == total / 100);
    if (total <= 500) {
      vap_buf_free(&token);
      GIVES(VAP_OK, vap_batch_token(batch, &token, &error));
      resumed[0].len = total;
    }
    GIVES(VAP_OK, vap_close(&batch, &error));
  }
  CHECK(total == 1000 && batch == 0);
  GIVES(VAP_END, vap_stream_next(stream, 0, 0, LONG_MS, 0, &batch, &error));
  GIVES(VAP_OK, vap_close(&stream, &error));

  /* From the token on. */
  total = resumed[0].len;
  snprintf(options, sizeof options, "{prefetch: 2, resume: \"%.*s\"}", (int)token.len,
           (const char *)token.ptr);
  vap_buf_free(&token);
  GIVES(VAP_OK, vap_stream_open(pool, "/items", VAP_NUL, options, VAP_NUL, &stream, &error));
  GIVES(VAP_OK, vap_stream_next(stream, 1, 1, LONG_MS, 0, &batch, &error));
  GIVES(VAP_OK, vap_batch_items(batch, &items, &count, &error));
  CHECK(count == 100);
  {
    char expected[64];
    snprintf(expected, sizeof expected, "{\"id\":%d,", (int)total);
    CHECK(memcmp(items[0].ptr, expected, strlen(expected)) == 0);
  }
  GIVES(VAP_OK, vap_close(&batch, &error));
  GIVES(VAP_OK, vap_close(&stream, &error));
  GIVES(VAP_OK, vap_stream_open(pool, "/others", VAP_NUL, options, VAP_NUL, &stream, &error));
  SAYS(VAP_E_CONFIG, "another endpoint", vap_stream_next(stream, 0, 0, LONG_MS, 0, &batch, &error));
  GIVES(VAP_OK, vap_close(&stream, &error));
  SAYS(VAP_E_CONFIG, "resume",
       vap_stream_open(pool, "/items", VAP_NUL, "{resume: nothing}", VAP_NUL, &stream, &error));

  /* A page without items is no batch. */
  GIVES(VAP_OK, vap_stream_open(pool, "/empty", VAP_NUL, "{paging: {by: none}}", VAP_NUL, &stream, &error));
  GIVES(VAP_END, vap_stream_next(stream, 0, 0, LONG_MS, 0, &batch, &error));
  CHECK(batch == 0);
  GIVES(VAP_OK, vap_close(&stream, &error));

  /* A page that fails, and the same answer from then on. */
  GIVES(VAP_OK, vap_stream_open(pool, "/broken", VAP_NUL, "{mode: sequential}", VAP_NUL, &stream, &error));
  GIVES(VAP_OK, vap_stream_next(stream, 1, 0, LONG_MS, 0, &batch, &error));
  GIVES(VAP_OK, vap_close(&batch, &error));
  for (int times = 0; times < 2; times++) {
    vap_error *error = NULL;
    CHECK(vap_stream_next(stream, 0, 0, LONG_MS, 0, &batch, &error) == VAP_E_CALL);
    CHECK(vap_error_status(error) == 500 && vap_error_page(error) == 2 && batch == 0);
    vap_error_free(&error);
  }
  GIVES(VAP_OK, vap_close(&stream, &error));

  /* A wait that ends early loses nothing. */
  GIVES(VAP_OK, vap_stream_open(pool, "/slowitems", VAP_NUL, NULL, 0, &stream, &error));
  GIVES(VAP_OK, vap_stream_next(stream, 1, 0, LONG_MS, 0, &batch, &error));
  GIVES(VAP_OK, vap_close(&batch, &error));
  GIVES(VAP_TIMEOUT, vap_stream_next(stream, 1, 0, 20, 0, &batch, &error));
  GIVES(VAP_OK, vap_cancel_new(&cancel, &error));
  GIVES(VAP_OK, vap_cancel(cancel, &error));
  GIVES(VAP_E_CANCELLED, vap_stream_next(stream, 1, 0, LONG_MS, cancel, &batch, &error));
  GIVES(VAP_OK, vap_close(&cancel, &error));
  GIVES(VAP_TIMEOUT, vap_stream_next(stream, 1, 0, 0, 0, &batch, &error));
  GIVES(VAP_OK, vap_close(&stream, &error));

  SAYS(VAP_E_CONFIG, "prefech",
       vap_stream_open(pool, "/items", VAP_NUL, "{prefech: 1}", VAP_NUL, &stream, &error));
  GIVES(VAP_E_ARGUMENT, vap_stream_open(pool, NULL, 0, NULL, 0, &stream, &error));
  GIVES(VAP_E_ARGUMENT, vap_stream_open(pool, "/items", VAP_NUL, NULL, 0, NULL, &error));
  GIVES(VAP_E_HANDLE, vap_stream_open(0, "/items", VAP_NUL, NULL, 0, &stream, &error));
  GIVES(VAP_E_HANDLE, vap_stream_next(pool, 0, 0, 0, 0, &batch, &error));
  GIVES(VAP_E_ARGUMENT, vap_stream_next(pool, 0, 0, 0, 0, NULL, &error));
  GIVES(VAP_E_HANDLE, vap_batch_items(pool, &items, &count, &error));
  GIVES(VAP_E_ARGUMENT, vap_batch_items(pool, NULL, &count, &error));
  GIVES(VAP_E_ARGUMENT, vap_batch_items(pool, &items, NULL, &error));
  GIVES(VAP_E_HANDLE, vap_batch_bytes(0, &count, &error));
  GIVES(VAP_E_HANDLE, vap_batch_page(0, &page, &error));
  GIVES(VAP_E_HANDLE, vap_batch_token(0, &token, &error));
}

static void values(const char *folder) {
  vap_handle kv = 0, second = 0;
  vap_buf buf;
  char path[512], key[1030];
  snprintf(path, sizeof path, "%s/values.redb", folder);
  SAYS(VAP_E_CONFIG, "max_value_bytes", vap_kv_open(path, VAP_NUL, "{max_value_bytes: 0}", VAP_NUL, &kv, &error));
  GIVES(VAP_OK, vap_kv_open(path, VAP_NUL, "{max_value_bytes: 1000, timeout: 50s}", VAP_NUL, &kv, &error));
  SAYS(VAP_E_STORE, "open", vap_kv_open(path, VAP_NUL, NULL, 0, &second, &error));
  GIVES(VAP_NOT_FOUND, vap_kv_get(kv, "a", VAP_NUL, LONG_MS, 0, &buf, &error));
  GIVES(VAP_OK, vap_kv_put(kv, "a", VAP_NUL, (const uint8_t *)"1\0002", 3, 0, LONG_MS, 0, &error));
  GIVES(VAP_E_ARGUMENT, vap_kv_put(kv, "b\0c", 3, NULL, 0, 0, LONG_MS, 0, &error));
  GIVES(VAP_OK, vap_kv_put(kv, "b", VAP_NUL, NULL, 0, 3600000, LONG_MS, 0, &error));
  GIVES(VAP_OK, vap_kv_get(kv, "a", VAP_NUL, LONG_MS, 0, &buf, &error));
  CHECK(buf.len == 3 && memcmp(buf.ptr, "1\0002", 3) == 0);
  vap_buf_free(&buf);
  GIVES(VAP_OK, vap_kv_get(kv, "b", VAP_NUL, LONG_MS, 0, &buf, &error));
  CHECK(buf.len == 0 && buf.owner != 0);
  vap_buf_free(&buf);
  GIVES(VAP_OK, vap_kv_list(kv, NULL, 0, NULL, 0, 1, LONG_MS, 0, &buf, &error));
  CHECK(buf_has(&buf, "\"key\":\"a\""));
  vap_buf_free(&buf);
  SAYS(VAP_E_ARGUMENT, "limit", vap_kv_list(kv, NULL, 0, NULL, 0, 0, LONG_MS, 0, &buf, &error));
  GIVES(VAP_OK, vap_kv_stats(kv, &buf, &error));
  vap_buf_free(&buf);
  GIVES(VAP_OK, vap_kv_delete(kv, "a", VAP_NUL, LONG_MS, 0, &error));
  GIVES(VAP_NOT_FOUND, vap_kv_delete(kv, "a", VAP_NUL, LONG_MS, 0, &error));
  memset(key, 'k', sizeof key);
  GIVES(VAP_E_ARGUMENT, vap_kv_get(kv, key, sizeof key, LONG_MS, 0, &buf, &error));
  GIVES(VAP_E_ARGUMENT, vap_kv_get(kv, "", 0, LONG_MS, 0, &buf, &error));
  GIVES(VAP_E_ARGUMENT, vap_kv_put(kv, "a", 1, NULL, 1, 0, LONG_MS, 0, &error));
  SAYS(VAP_E_ARGUMENT, "1030 bytes", vap_kv_put(kv, "a", 1, (uint8_t *)key, sizeof key, 0, LONG_MS, 0, &error));
  GIVES(VAP_E_ARGUMENT, vap_kv_put(kv, "a", 1, NULL, 0, UINT64_MAX, LONG_MS, 0, &error));
  GIVES(VAP_E_ARGUMENT, vap_kv_delete(kv, NULL, 0, LONG_MS, 0, &error));
  GIVES(VAP_E_ARGUMENT, vap_kv_open(NULL, 0, NULL, 0, &second, &error));
  GIVES(VAP_E_HANDLE, vap_kv_get(0, "a", 1, LONG_MS, 0, &buf, &error));
  GIVES(VAP_E_HANDLE, vap_kv_put(0, "a", 1, NULL, 0, 0, LONG_MS, 0, &error));
  GIVES(VAP_E_HANDLE, vap_kv_delete(0, "a", 1, LONG_MS, 0, &error));
  GIVES(VAP_E_HANDLE, vap_kv_list(0, NULL, 0, NULL, 0, 1, LONG_MS, 0, &buf, &error));
  GIVES(VAP_E_HANDLE, vap_kv_stats(0, &buf, &error));
  GIVES(VAP_OK, vap_close(&kv, &error));
  /* Closed, the file can be opened again. */
  GIVES(VAP_OK, vap_kv_open(path, VAP_NUL, NULL, 0, &kv, &error));
  GIVES(VAP_OK, vap_kv_get(kv, "b", VAP_NUL, LONG_MS, 0, &buf, &error));
  vap_buf_free(&buf);
  GIVES(VAP_OK, vap_close(&kv, &error));
}

static void jobs(const char *url, const char *folder) {
  vap_handle job = 0;
  vap_buf report;
  char variables[1024];
  const char *description =
      "api: { base_url: \"${URL}\", max_attempts: 1, attempt_timeout: 5m, call_timeout: 5m }\n"
      "tables:\n"
      "  - { name: items, id: id, columns: { id: int, name: text } }\n"
      "  - { name: slowitems, id: id, columns: { id: int, name: text } }\n"
      "jobs:\n"
      "  copy: { sink: { sqlite: \"${FOLDER}/copy.db\" }, streams: [ { table: items } ] }\n"
      "  slow: { sink: { sqlite: \"${FOLDER}/slow.db\" }, streams: [ { table: slowitems } ] }\n";
  snprintf(variables, sizeof variables, "{URL: \"%s\", FOLDER: \"%s\"}", url, folder);
  SAYS(VAP_E_CONFIG, "URL", vap_job_open(description, VAP_NUL, NULL, 0, "copy", VAP_NUL, &job, &error));
  SAYS(VAP_E_JOB, "nothing", vap_job_open(description, VAP_NUL, variables, VAP_NUL, "nothing", VAP_NUL, &job, &error));
  GIVES(VAP_OK, vap_job_open(description, VAP_NUL, variables, VAP_NUL, "copy", VAP_NUL, &job, &error));
  SAYS(VAP_E_STATE, "not started", vap_job_wait(job, LONG_MS, 0, &report, &error));
  for (int times = 0; times < 6; times++) {
    GIVES(VAP_OK, vap_job_start(job, &error));
    GIVES(VAP_OK, vap_job_wait(job, LONG_MS, 0, &report, &error));
    CHECK(buf_has(&report, "\"outcome\":\"complete\""));
    CHECK(buf_has(&report, "\"read\":1000"));
    vap_buf_free(&report);
    /* The last commit is in it, which comes together with the end. */
    GIVES(VAP_OK, vap_job_progress(job, &report, &error));
    CHECK(buf_has(&report, "\"read\":1000"));
    vap_buf_free(&report);
  }
  GIVES(VAP_OK, vap_close(&job, &error));
  GIVES(VAP_OK, vap_job_open(description, VAP_NUL, variables, VAP_NUL, "slow", VAP_NUL, &job, &error));
  GIVES(VAP_OK, vap_job_start(job, &error));
  SAYS(VAP_E_BUSY, "runs already", vap_job_start(job, &error));
  GIVES(VAP_TIMEOUT, vap_job_wait(job, 20, 0, &report, &error));
  GIVES(VAP_OK, vap_job_stop(job, &error));
  GIVES(VAP_INCOMPLETE, vap_job_wait(job, LONG_MS, 0, &report, &error));
  CHECK(buf_has(&report, "\"outcome\":\"stopped\""));
  vap_buf_free(&report);
  GIVES(VAP_OK, vap_close(&job, &error));
  GIVES(VAP_E_HANDLE, vap_job_start(0, &error));
  GIVES(VAP_E_HANDLE, vap_job_stop(0, &error));
  GIVES(VAP_E_HANDLE, vap_job_wait(0, 0, 0, &report, &error));
  GIVES(VAP_E_HANDLE, vap_job_progress(0, &report, &error));
}

int main(int count, char **arguments) {
  CHECK(count == 3);
  versions();
  errors_of_nothing();
  pools(arguments[1]);
  tokens(arguments[1]);
  vap_handle pool = pool_of(arguments[1]);
  calls(pool);
  streams(pool);
  GIVES(VAP_OK, vap_close(&pool, &error));
  values(arguments[2]);
  jobs(arguments[1], arguments[2]);
  CHECK(vap_handles_open() == 0);
  puts("ok");
  return 0;
}
