// Package nginxtest runs a real nginx for tests, so that families can be compared with what they replace. It
// is imported by tests alone, and skips them where there is no nginx.
package nginxtest
