/* The quick start of mantisDB's pool, in C, and what it promises. */
#include <limits.h>

#include "check.h"
#include "mantis_pool.h"

int main(void) {
  unsigned char *value = NULL, *again = NULL;
  size_t len = 0;
  CPoolStats stats;
  CHECK(mantis_pool_new(2, 1, 300, 10) == NULL);
  CHECK(mantis_pool_new(0, 0, 300, 10) == NULL);
  CHECK(mantis_pool_new(-1, 1, 300, 10) == NULL);
  CHECK(mantis_pool_new(INT_MAX, INT_MAX, 1, 1) == NULL);
  CHECK(mantis_pool_new(0, 65537, 1, 1) == NULL);

  PoolHandle *pool = mantis_pool_new(1, 2, 300, 1);
  CHECK(pool != NULL);
  ConnectionHandle *conn = mantis_pool_acquire(pool);
  CHECK(conn != NULL);
  CHECK(mantis_conn_put(conn, "user:123", (const unsigned char *)"John Doe", 8) == 0);
  CHECK(mantis_conn_get(conn, "user:123", &value, &len) == 0);
  CHECK(len == 8 && memcmp(value, "John Doe", 8) == 0);
  CHECK(mantis_conn_put(conn, "empty", NULL, 0) == 0);
  CHECK(mantis_conn_get(conn, "empty", &again, &len) == 0 && len == 0 && again != NULL);
  mantis_free_value(value, 8);
  mantis_free_value(again, 0);
  mantis_free_value(again, 0);

  /* All connections have the same values; a third has to wait, and in vain. */
  ConnectionHandle *second = mantis_pool_acquire(pool);
  CHECK(second != NULL);
  CHECK(mantis_conn_get(second, "user:123", &value, &len) == 0 && len == 8);
  mantis_free_value(value, len);
  CHECK(mantis_pool_acquire(pool) == NULL);
  CHECK(mantis_pool_stats(pool, &stats) == 0);
  CHECK(stats.total_connections == 2 && stats.active_connections == 2);
  CHECK(stats.idle_connections == 0 && stats.connections_created == 2);
  CHECK(stats.wait_count == 1 && stats.avg_wait_time_ms >= 1000);
  mantis_pool_release(second);
  mantis_pool_release(second);
  CHECK(mantis_conn_delete(second, "user:123") == -1);
  CHECK(mantis_conn_delete(conn, "user:123") == 0);
  CHECK(mantis_conn_delete(conn, "user:123") == 0);
  CHECK(mantis_conn_get(conn, "user:123", &value, &len) == -1 && value == NULL && len == 0);
  CHECK(mantis_conn_get(conn, NULL, &value, &len) == -1);
  CHECK(mantis_pool_stats(pool, &stats) == 0 && stats.idle_connections == 1);
  mantis_pool_destroy(pool);
  mantis_pool_destroy(pool);
  CHECK(mantis_conn_put(conn, "a", NULL, 0) == -1);
  mantis_pool_release(conn);
  CHECK(mantis_pool_acquire(pool) == NULL && mantis_pool_stats(pool, &stats) == -1);
  CHECK(vap_handles_open() == 0);
  puts("ok");
  return 0;
}
