/*
 * mantis_pool.h: the key-value store of vantage_pool.h by the names of the pool of mantisDB, for
 * programs that were written for that. New programs use vap_kv_*.
 *
 *   these                    are
 *   mantis_pool_new          vap_kv_open
 *   mantis_pool_acquire      one of at most max_connections uses at a time
 *   mantis_pool_release      its end
 *   mantis_conn_get          vap_kv_get
 *   mantis_conn_put          vap_kv_put
 *   mantis_conn_delete       vap_kv_delete
 *   mantis_pool_stats        the counts of those uses
 *   mantis_pool_destroy      vap_close
 *   mantis_free_value        vap_buf_free
 *
 * What is different from there: the store is one file, which VANTAGE_KV_PATH in the environment names,
 * or a temporary one that is gone when the pool is destroyed; all connections see the same values; a
 * write that returns 0 is on the disk; a pointer that was released or destroyed is found out. Nothing
 * says why a call failed but the log, see vap_set_log.
 */
#ifndef MANTIS_POOL_H
#define MANTIS_POOL_H

#include <stddef.h>

#if defined(_WIN32) && !defined(VANTAGE_POOL_STATIC)
#define MANTIS_API __declspec(dllimport)
#else
#define MANTIS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PoolHandle PoolHandle;
typedef struct ConnectionHandle ConnectionHandle;

typedef struct CPoolStats {
  size_t total_connections;
  size_t active_connections;
  size_t idle_connections;
  unsigned long long wait_count;
  unsigned long long avg_wait_time_ms;
  unsigned long long connections_created;
  unsigned long long connections_closed;
  unsigned long long health_check_failures; /* how often the store could not be used */
} CPoolStats;

/* Opens the store. At most `max_connections`, 1 to 65536, are in use at a time; of those that are not
 * in use, `min_connections` are kept and the others closed after `max_idle_seconds`. NULL on error. */
MANTIS_API PoolHandle *mantis_pool_new(int min_connections, int max_connections,
                                       int max_idle_seconds, int connection_timeout_seconds);

/* Takes a connection, and waits for one for at most the timeout of the pool. NULL on error. */
MANTIS_API ConnectionHandle *mantis_pool_acquire(PoolHandle *pool);

/* Gives a connection back. */
MANTIS_API void mantis_pool_release(ConnectionHandle *conn);

/* Reads a value, to be freed by mantis_free_value: 0, or -1 if there is none or on error. */
MANTIS_API int mantis_conn_get(ConnectionHandle *conn, const char *key, unsigned char **value_out,
                               size_t *value_len_out);

/* Writes a value: 0, or -1. */
MANTIS_API int mantis_conn_put(ConnectionHandle *conn, const char *key,
                               const unsigned char *value, size_t value_len);

/* Deletes a value, which need not be there: 0, or -1. */
MANTIS_API int mantis_conn_delete(ConnectionHandle *conn, const char *key);

/* What a pool has and has done: 0, or -1. */
MANTIS_API int mantis_pool_stats(PoolHandle *pool, CPoolStats *stats_out);

/* Closes the store. Connections that were not released fail from then on. */
MANTIS_API void mantis_pool_destroy(PoolHandle *pool);

/* Frees a value; a second time is nothing. */
MANTIS_API void mantis_free_value(unsigned char *ptr, size_t len);

#ifdef __cplusplus
}
#endif

#endif
