package kernel

// daysSince1970 counts days of the Gregorian calendar, for months 1 to 12 of
// years from 1970 on.
//
//go:nosplit
func daysSince1970(year, month, day uintptr) uintptr {
	// Years from March on, so that the leap day is the last.
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468
}
