/* Closing while others call: a close ends all waits at once, and 16 threads that use and close the
 * same handles at random break nothing. */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define BLOCKED 100
#define THREADS 16
#define TURNS 1000

static const char *url;

/* ---- A close ends all waits ------------------------------------------------------------------ */

static vap_handle blocked_pool;

static void *wait_for_a_slow_answer(void *unused) {
  vap_handle response = 0;
  (void)unused;
  GIVES(VAP_E_CLOSED, vap_get(blocked_pool, "/slow", VAP_NUL, LONG_MS, 0, &response, &error));
  return NULL;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void closing_a_pool_ends_what_waits_on_it(void) {
  pthread_t threads[BLOCKED];
  vap_handle pool = pool_of(url);
  long begun = told(pool, "/begun"), gone = told(pool, "/gone");
  blocked_pool = pool_of(url);
  vap_handle closing = blocked_pool;
  for (int at = 0; at < BLOCKED; at++) {
    CHECK(pthread_create(&threads[at], NULL, wait_for_a_slow_answer, NULL) == 0);
  }
  until_told(pool, "/begun", begun + BLOCKED);
  double start = seconds();
  GIVES(VAP_OK, vap_pool_close(&closing, 0, &error));
  for (int at = 0; at < BLOCKED; at++) pthread_join(threads[at], NULL);
  /* A hundredth of that is common. */
  CHECK(seconds() - start < 20.0);
  until_told(pool, "/gone", gone + BLOCKED);
  GIVES(VAP_OK, vap_pool_close(&pool, 0, &error));
}

static vap_handle blocked_queue;

static void *wait_for_a_completion(void *unused) {
  vap_completion done;
  size_t count;
  (void)unused;
  for (;;) {
    vap_error *error = NULL;
    int32_t code = vap_queue_next(blocked_queue, &done, 1, &count, LONG_MS, &error);
    vap_error_free(&error);
    /* It may be closed before it is looked up. */
    if (code == VAP_E_CLOSED || code == VAP_E_HANDLE) return NULL;
    CHECK(code == VAP_WOKEN);
  }
}

static void closing_a_queue_ends_what_waits_on_it(void) {
  pthread_t threads[THREADS];
  GIVES(VAP_OK, vap_queue_open(1, &blocked_queue, &error));
  vap_handle closing = blocked_queue;
  for (int at = 0; at < THREADS; at++) {
    CHECK(pthread_create(&threads[at], NULL, wait_for_a_completion, NULL) == 0);
  }
  GIVES(VAP_OK, vap_queue_wake(blocked_queue, &error));
  GIVES(VAP_OK, vap_close(&closing, &error));
  for (int at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
}

/* ---- At random ------------------------------------------------------------------------------- */

/* The handles that all threads share. */
static vap_handle shared[32];

static uint64_t random_number(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static vap_handle one_of(uint64_t *state) {
  return __atomic_load_n(&shared[random_number(state) % 32], __ATOMIC_SEQ_CST);
}

/* Keeps a handle where all find it, and closes the one that was there. */
static void keep(uint64_t *state, vap_handle handle) {
  vap_handle before;
  if (handle == 0) return;
  before = __atomic_exchange_n(&shared[random_number(state) % 32], handle, __ATOMIC_SEQ_CST);
  CHECK(vap_close(&before, NULL) == VAP_OK);
}

static void *use_and_close(void *number) {
  uint64_t state = 88172645463325252ull + (uint64_t)(size_t)number * 7919;
  for (int turn = 0; turn < TURNS; turn++) {
    vap_handle made = 0, op = 0;
    vap_error *error = NULL;
    vap_completion done[4];
    vap_buf buf;
    size_t count = 0;
    int32_t number_out, code = VAP_OK;
    char config[256];
    memset(&buf, 0, sizeof buf);
    switch (random_number(&state) % 16) {
      case 0:
        if (random_number(&state) % 16 == 0) {
          snprintf(config, sizeof config, "{base_url: \"%s\", workers: 1, max_attempts: 1}", url);
          code = vap_pool_open(config, VAP_NUL, &made, &error);
        }
        break;
      case 1: code = vap_get(one_of(&state), "/ok", VAP_NUL, 100, 0, &made, &error); break;
      case 2: code = vap_queue_open(16, &made, &error); break;
      case 3: code = vap_stream_open(one_of(&state), "/items", VAP_NUL, NULL, 0, &made, &error); break;
      case 4: code = vap_stream_next(one_of(&state), 0, 0, 50, one_of(&state), &made, &error); break;
      case 5: code = vap_request_new("GET", VAP_NUL, "/ok", VAP_NUL, &made, &error); break;
      case 6:
        code = vap_submit_send(one_of(&state), one_of(&state), 1000, one_of(&state), 1, &op, &error);
        break;
      case 7: code = vap_submit_next(one_of(&state), 0, 0, 100, one_of(&state), 2, &op, &error); break;
      case 8:
        code = vap_queue_next(one_of(&state), done, 4, &count, 5, &error);
        for (size_t at = 0; at < count; at++) {
          vap_error_free(&done[at].error);
          keep(&state, done[at].result);
        }
        break;
      case 9: code = vap_cancel_new(&made, &error); break;
      case 10: code = vap_cancel(one_of(&state), &error); break;
      case 11: code = vap_response_status(one_of(&state), &number_out, &error); break;
      case 12: code = vap_response_body(one_of(&state), &buf, &error); break;
      case 13: code = vap_batch_token(one_of(&state), &buf, &error); break;
      case 14: code = vap_request_header(one_of(&state), "a", 1, "b", 1, &error); break;
      case 15: code = vap_queue_wake(one_of(&state), &error); break;
    }
    CHECK((code < 0) == (error != NULL) && code != VAP_E_PANIC);
    vap_error_free(&error);
    vap_buf_free(&buf);
    keep(&state, made);
  }
  return NULL;
}

static void threads_that_use_and_close_at_random_break_nothing(void) {
  pthread_t threads[THREADS];
  for (size_t at = 0; at < THREADS; at++) {
    CHECK(pthread_create(&threads[at], NULL, use_and_close, (void *)at) == 0);
  }
  for (int at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
  for (int at = 0; at < 32; at++) CHECK(vap_close(&shared[at], NULL) == VAP_OK);
}

int main(int count, char **arguments) {
  CHECK(count == 3);
  url = arguments[1];
  closing_a_pool_ends_what_waits_on_it();
  closing_a_queue_ends_what_waits_on_it();
  threads_that_use_and_close_at_random_break_nothing();
  /* What was running may have a moment more. */
  for (int turn = 0; vap_handles_open() != 0; turn++) {
    CHECK(turn < 600);
    usleep(100000);
  }
  puts("ok");
  return 0;
}
