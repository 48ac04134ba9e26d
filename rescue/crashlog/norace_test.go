//go:build !race

package crashlog_test

const raceDetector = false
