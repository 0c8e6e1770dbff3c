/* Reads all cities of the demo API, of which there are ten on a page, in order and with pages fetched
 * ahead: cities BASE_URL TOKEN */
#include <stdio.h>
#include <vantage_pool.h>

static int fail(vap_error *error) {
  fprintf(stderr, "%s: %s (status %d, %u attempts)\n", vap_error_kind(error),
          vap_error_message(error), (int)vap_error_status(error),
          (unsigned)vap_error_attempts(error));
  vap_error_free(&error);
  return 1;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  char config[1024];
  snprintf(config, sizeof config,
           "base_url: %s\n"
           "auth: { bearer: %s }\n"
           "rate_limit: 1000\n",
           arguments[1], arguments[2]);

  vap_error *error = NULL;
  vap_handle pool = 0, stream = 0, batch = 0;
  if (vap_pool_open(config, VAP_NUL, &pool, &error) != VAP_OK) return fail(error);
  if (vap_stream_open(pool, "/cities", VAP_NUL, "{prefetch: 8}", VAP_NUL, &stream, &error) != VAP_OK)
    return fail(error);

  size_t cities = 0;
  int32_t code;
  while ((code = vap_stream_next(stream, 500, 0, 30000, 0, &batch, &error)) == VAP_OK) {
    const vap_slice *items;
    size_t items_count;
    if (vap_batch_items(batch, &items, &items_count, &error) != VAP_OK) return fail(error);
    if (cities == 0) printf("the first: %.*s\n", (int)items[0].len, (const char *)items[0].ptr);
    cities += items_count;
    vap_close(&batch, NULL);
  }
  if (code == VAP_TIMEOUT) fprintf(stderr, "no page came within 30 s\n");
  if (code != VAP_END) return error ? fail(error) : 1;
  printf("%zu cities\n", cities);

  vap_close(&stream, NULL);
  vap_pool_close(&pool, 1000, NULL);
  return 0;
}
