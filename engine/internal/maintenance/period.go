package maintenance

import "time"

// Period is how much time one partition holds. Days begin at midnight in UTC.
type Period string

// The periods.
const (
	Day   Period = "day"
	Week  Period = "week" // begins on Monday
	Month Period = "month"
	Year  Period = "year"
)

func (p Period) known() bool { return p == Day || p == Week || p == Month || p == Year }

// start is the beginning of the period that a moment lies in.
func (p Period) start(moment time.Time) time.Time {
	year, month, day := moment.UTC().Date()
	switch p {
	case Week:
		day -= (int(moment.UTC().Weekday()) + 6) % 7
	case Month:
		day = 1
	case Year:
		month, day = time.January, 1
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// next is the beginning of the period after one that begins at a moment.
func (p Period) next(start time.Time) time.Time {
	switch p {
	case Day:
		return start.AddDate(0, 0, 1)
	case Week:
		return start.AddDate(0, 0, 7)
	case Month:
		return start.AddDate(0, 1, 0)
	default:
		return start.AddDate(1, 0, 0)
	}
}

// suffix ends the name of the partition of a period that begins at a moment.
func (p Period) suffix(start time.Time) string {
	return start.Format(map[Period]string{Day: "2006_01_02", Week: "2006_01_02", Month: "2006_01", Year: "2006"}[p])
}
