/* 100,000 calls with handles that were made up, closed or of another kind and with NULL for every
 * pointer, in a child process that must end by itself. The parent says how it ended. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "mantis_pool.h"

static uint64_t state = 2463534242ull;

static uint64_t number(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static vap_handle live[6], closed[6];

static vap_handle handle(void) {
  switch (number() % 8) {
    case 0: return 0;
    case 1: return 1;
    case 2: return UINT64_MAX;
    case 3: return number();
    case 4: return closed[number() % 6];
    case 5: return live[number() % 6] ^ (1ull << number() % 64);
    default: return live[number() % 6];
  }
}

static const char *texts[] = {NULL, "", "/ok", "{}", "[", "\xff\xff\xff", "{base_url: 1}", "a\nb",
                              "{prefetch: -1}", "http://127.0.0.1:1/"};

static const char *text(void) { return texts[number() % 10]; }

static size_t length(const char *of) {
  size_t all = of == NULL ? 0 : strlen(of);
  if (of == NULL) return number() % 2 ? (size_t)number() : VAP_NUL;
  return number() % 2 ? VAP_NUL : (size_t)(number() % (all + 1));
}

/* Any number is a length where there is no pointer. */
#define TEXT(name) const char *name = text(); size_t name##_len = length(name)
/* NULL, or the place. */
#define MAYBE(place) (number() % 2 ? NULL : &(place))

static int32_t one_call(vap_error **err) {
  vap_handle out = 0, target = handle();
  vap_buf buf;
  vap_completion done[2];
  const vap_slice *items;
  size_t size = 0, count = 0;
  uint64_t page;
  int32_t value, code = 0;
  vap_handle *where = MAYBE(out);
  vap_buf *bytes = MAYBE(buf);
  TEXT(a);
  TEXT(b);
  memset(&buf, 0, sizeof buf);
  switch (number() % 49) {
    case 0: code = vap_pool_open(a, a_len, where, err); break;
    case 1: code = vap_pool_stats(handle(), bytes, err); break;
    case 2: code = vap_pool_set_rate(handle(), (double)(int64_t)number(), err); break;
    case 3: code = vap_pool_resize(handle(), (uint32_t)number() | 1u << 20, err); break;
    case 4: code = vap_pool_invalidate_token(handle(), (uint32_t)number(), err); break;
    case 5: code = vap_get(handle(), a, a_len, number() % 2, handle(), where, err); break;
    case 6: code = vap_request_new(a, a_len, b, b_len, where, err); break;
    case 7: code = vap_request_header(handle(), a, a_len, b, b_len, err); break;
    case 8: code = vap_request_query(handle(), a, a_len, b, b_len, err); break;
    case 9: code = vap_request_body(handle(), NULL, (size_t)number(), err); break;
    case 10: code = vap_request_timeout_ms(handle(), (uint32_t)number(), err); break;
    case 11: code = vap_request_priority(handle(), (int32_t)number(), err); break;
    case 12: code = vap_request_idempotency_key(handle(), a, a_len, err); break;
    case 13: code = vap_send(handle(), handle(), number() % 2, handle(), where, err); break;
    case 14: code = vap_response_status(handle(), MAYBE(value), err); break;
    case 15: code = vap_response_body(handle(), bytes, err); break;
    case 16: code = vap_response_header(handle(), a, a_len, bytes, err); break;
    case 17: code = vap_response_headers(handle(), bytes, err); break;
    case 18: code = vap_stream_open(handle(), a, a_len, b, b_len, where, err); break;
    case 19: code = vap_stream_next(handle(), (size_t)number(), (size_t)number(), number() % 2, handle(), where, err); break;
    case 20: code = vap_batch_items(handle(), MAYBE(items), MAYBE(size), err); break;
    case 21: code = vap_batch_bytes(handle(), MAYBE(size), err); break;
    case 22: code = vap_batch_page(handle(), MAYBE(page), err); break;
    case 23: code = vap_batch_token(handle(), bytes, err); break;
    case 24: code = vap_queue_open((size_t)number() % 3, where, err); break;
    case 25: code = vap_queue_next(handle(), number() % 2 ? NULL : done, number() % 3, MAYBE(count), number() % 2, err); break;
    case 26: code = vap_queue_wake(handle(), err); break;
    case 27: code = vap_queue_fd(handle(), MAYBE(value), err); break;
    case 28: code = vap_submit_send(handle(), handle(), (uint32_t)number(), handle(), number(), where, err); break;
    case 29: code = vap_submit_next(handle(), 0, 0, (uint32_t)number(), handle(), number(), where, err); break;
    case 30: code = vap_events_open(handle(), handle(), number(), where, err); break;
    case 31: code = vap_op_cancel(handle(), err); break;
    case 32: code = vap_cancel_new(where, err); break;
    case 33: code = vap_cancel(handle(), err); break;
    case 34: code = vap_cancel_reset(handle(), err); break;
    case 35: code = vap_job_open(a, a_len, b, b_len, a, a_len, where, err); break;
    case 36: code = vap_job_start(handle(), err); break;
    case 37: code = vap_job_stop(handle(), err); break;
    case 38: code = vap_job_wait(handle(), number() % 2, handle(), bytes, err); break;
    case 39: code = vap_job_progress(handle(), bytes, err); break;
    case 40: code = vap_job_watch(handle(), handle(), number(), where, err); break;
    case 41: code = vap_kv_get(handle(), a, a_len, number() % 2, handle(), bytes, err); break;
    case 42: code = vap_kv_put(handle(), a, a_len, NULL, (size_t)number(), number(), number() % 2, handle(), err); break;
    case 43: code = vap_kv_delete(handle(), a, a_len, number() % 2, handle(), err); break;
    case 44: code = vap_kv_list(handle(), a, a_len, b, b_len, (size_t)number() % 2000, number() % 2, handle(), bytes, err); break;
    case 45: code = vap_kv_stats(handle(), bytes, err); break;
    case 48: code = vap_pool_set_token(handle(), (uint32_t)number() % 2, a, a_len, err); break;
    case 46: code = vap_buf_take(handle(), bytes, err); break;
    case 47:
      mantis_pool_release((ConnectionHandle *)(uintptr_t)target);
      CHECK(mantis_pool_acquire((PoolHandle *)(uintptr_t)target) == NULL);
      CHECK(mantis_conn_get((ConnectionHandle *)(uintptr_t)target, a_len == VAP_NUL ? a : "k", NULL, NULL) == -1);
      CHECK(mantis_conn_put((ConnectionHandle *)(uintptr_t)target, "k", NULL, 0) == -1);
      CHECK(mantis_conn_delete((ConnectionHandle *)(uintptr_t)target, NULL) == -1);
      CHECK(mantis_pool_stats((PoolHandle *)(uintptr_t)target, NULL) == -1);
      mantis_free_value((unsigned char *)(uintptr_t)target, 1);
      mantis_pool_destroy((PoolHandle *)(uintptr_t)target);
      break;
  }
  for (size_t at = 0; at < count; at++) {
    vap_error_free(&done[at].error);
    vap_close(&done[at].result, NULL);
  }
  /* What was asked for is given back, but the handles that are to stay. */
  vap_buf_free(&buf);
  for (int at = 0; at < 6; at++) if (out == live[at]) out = 0;
  CHECK(out == 0 || vap_close(&out, NULL) == VAP_OK || code < 0);
  return code;
}

static void all_calls(long calls) {
  vap_handle request = 0;
  CHECK(vap_pool_open("{base_url: \"http://127.0.0.1:1\", max_attempts: 1, workers: 1}", VAP_NUL, &live[0], NULL) == VAP_OK);
  CHECK(vap_request_new("GET", VAP_NUL, "/", VAP_NUL, &live[1], NULL) == VAP_OK);
  CHECK(vap_queue_open(4, &live[2], NULL) == VAP_OK);
  CHECK(vap_stream_open(live[0], "/", VAP_NUL, NULL, 0, &live[3], NULL) == VAP_OK);
  CHECK(vap_cancel_new(&live[4], NULL) == VAP_OK);
  CHECK(vap_request_new("PUT", VAP_NUL, "/", VAP_NUL, &live[5], NULL) == VAP_OK);
  for (int at = 0; at < 6; at++) {
    CHECK(vap_request_new("GET", VAP_NUL, "/", VAP_NUL, &request, NULL) == VAP_OK);
    closed[at] = request;
    CHECK(vap_close(&request, NULL) == VAP_OK);
  }
  for (long call = 0; call < calls; call++) {
    vap_error *error = NULL;
    int32_t code = one_call(number() % 2 ? &error : NULL);
    CHECK(code != VAP_E_PANIC && code >= -14 && code <= 5);
    vap_error_free(&error);
  }
  /* The library still works. */
  GIVES(VAP_OK, vap_request_header(live[5], "x", 1, "y", 1, &error));
  for (int at = 0; at < 6; at++) GIVES(VAP_OK, vap_close(&live[at], &error));
}

int main(int count, char **arguments) {
  long calls = count > 3 ? strtol(arguments[3], NULL, 10) : 100000;
  pid_t child = fork();
  int status = 0;
  CHECK(child >= 0);
  if (child == 0) {
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    all_calls(calls);
    /* By its own end, so that checkers look for leaks. */
    exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) fprintf(stderr, "the child died of signal %d\n", WTERMSIG(status));
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  puts("ok");
  return 0;
}
