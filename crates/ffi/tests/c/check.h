/* What the tests in C say of failures, and the server that they call. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vantage_pool.h"

/* How long anything may take that should take no time. */
#define LONG_MS 60000

#define CHECK(what)                                                           \
  do {                                                                        \
    if (!(what)) {                                                            \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);      \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

static inline void gives_(const char *file, int line, const char *call, int32_t expected,
                          int32_t code, vap_error **error) {
  if (code != expected || (code < 0) != (*error != NULL) ||
      (*error != NULL && vap_error_code(*error) != code)) {
    fprintf(stderr, "%s:%d: %s gave %d, not %d: %s\n", file, line, call, (int)code,
            (int)expected, *error ? vap_error_message(*error) : "no error");
    exit(1);
  }
  vap_error_free(error);
  if (*error != NULL) exit(1);
}

/* The call, whose last argument is &error, gives this code, and an error object if it is one. */
#define GIVES(expected, call)                                                 \
  do {                                                                        \
    vap_error *error = NULL;                                                  \
    int32_t code_ = (call);                                                   \
    gives_(__FILE__, __LINE__, #call, expected, code_, &error);               \
  } while (0)

/* The same, with the text that its message must contain. */
#define SAYS(expected, text, call)                                            \
  do {                                                                        \
    vap_error *error = NULL;                                                  \
    int32_t code_ = (call);                                                   \
    if (error == NULL || strstr(vap_error_message(error), text) == NULL) {    \
      fprintf(stderr, "%s:%d: %s gave %d: %s\n", __FILE__, __LINE__, #call,   \
              (int)code_, error ? vap_error_message(error) : "no error");     \
      exit(1);                                                                \
    }                                                                         \
    gives_(__FILE__, __LINE__, #call, expected, code_, &error);               \
  } while (0)

/* A pool for the server at this URL. */
static inline vap_handle pool_of(const char *url) {
  char config[512];
  vap_handle pool = 0;
  snprintf(config, sizeof config,
           "{base_url: \"%s\", max_attempts: 1, connections_per_worker: 64, call_timeout: 5m, "
           "attempt_timeout: 5m, signing_key: 0123456789abcdef0123456789abcdef}",
           url);
  GIVES(VAP_OK, vap_pool_open(config, VAP_NUL, &pool, &error));
  return pool;
}

static inline int buf_is(const vap_buf *buf, const char *text) {
  return buf->len == strlen(text) && memcmp(buf->ptr, text, buf->len) == 0;
}

/* The bytes end with no NUL. */
static inline int buf_has(const vap_buf *buf, const char *text) {
  size_t len = strlen(text);
  for (size_t at = 0; at + len <= buf->len; at++) {
    if (memcmp(buf->ptr + at, text, len) == 0) return 1;
  }
  return 0;
}

/* A number that the server tells at this path. */
static inline long told(vap_handle pool, const char *path) {
  vap_handle response = 0;
  vap_buf body;
  char text[32] = {0};
  GIVES(VAP_OK, vap_get(pool, path, VAP_NUL, LONG_MS, 0, &response, &error));
  GIVES(VAP_OK, vap_response_body(response, &body, &error));
  CHECK(body.len < sizeof text);
  memcpy(text, body.ptr, body.len);
  vap_buf_free(&body);
  GIVES(VAP_OK, vap_close(&response, &error));
  return strtol(text, NULL, 10);
}

/* Waits until the server tells this number. */
static inline void until_told(vap_handle pool, const char *path, long number) {
  while (told(pool, path) != number) {
  }
}

#endif
