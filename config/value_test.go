package config

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for _, row := range []struct {
		text string
		want time.Duration // 0: refused
	}{
		{"24h", 24 * time.Hour}, {"1d", 24 * time.Hour}, {"180d", 180 * 24 * time.Hour},
		{"1d12h", 36 * time.Hour}, {"15s", 15 * time.Second},
		{"", 0}, {"0h", 0}, {"0d", 0}, {"-1h", 0}, {"1d-1h", 0}, {"24", 0}, {"1w", 0}, {"d", 0}, {"1dd", 0},
		{"999999999d", 0}, {"106751d", 106751 * 24 * time.Hour}, {"106751d23h59m", 0},
	} {
		var d Duration
		err := d.UnmarshalText([]byte(row.text))
		if (err == nil) != (row.want > 0) || err == nil && time.Duration(d) != row.want {
			t.Errorf("%q is %v, %v; want %v", row.text, time.Duration(d), err, row.want)
		}
	}
}

func TestSizeAndLevel(t *testing.T) {
	for _, row := range []struct {
		text string
		of   Size
		want int64 // 0: refused
	}{
		{"25%", 10 << 30, 10 << 30 / 4}, {"1%", 150, 1}, {"99%", 100, 99},
		{"512MiB", 1 << 40, 512 << 20}, {"3KiB", 1, 3 << 10}, {"2TiB", 1, 2 << 40},
		{"0%", 100, 0}, {"100%", 100, 0}, {"-1%", 100, 0}, {"10GB", 1, 0}, {"10", 1, 0}, {"GiB", 1, 0},
		{"1.5GiB", 1, 0}, {"9000000TiB", 1, 0}, {"", 1, 0},
	} {
		var l Level
		err := l.UnmarshalText([]byte(row.text))
		if (err == nil) != (row.want > 0) || err == nil && l.Of(row.of) != row.want {
			t.Errorf("%q of %d is %d, %v; want %d", row.text, row.of, l.Of(row.of), err, row.want)
		}
	}
}

func TestARefusedSizeNamesTheNearest(t *testing.T) {
	for text, want := range map[string]string{
		"10G": "10GiB", "10GB": "10GiB", "10gib": "10GiB", "512 M": "512MiB", "3kb": "3KiB",
		"10": "", "G": "", "10X": "", "1.5G": "", "-1G": "", "0G": "",
	} {
		var z Size
		err := z.UnmarshalText([]byte(text))
		if err == nil {
			t.Fatalf("%q is taken", text)
		}
		if _, near, _ := strings.Cut(err.Error(), "; nearest: "); near != "" && near != strconv.Quote(want) || near == "" && want != "" {
			t.Errorf("%q: %v; want %q named", text, err, want)
		}
	}
}

func TestValuesReadBackAsWritten(t *testing.T) {
	for _, text := range []string{"1d", "180d", "36h", "15s", "1h", "90m"} {
		var d, again Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s is written %s, which reads %v, %v", text, d, time.Duration(again), err)
		}
	}
	for _, text := range []string{"1KiB", "1024KiB", "10GiB", "3MiB"} {
		var z, again Size
		if err := z.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText([]byte(z.String())); err != nil || again != z {
			t.Errorf("%s is written %s, which reads %d, %v", text, z, again, err)
		}
	}
}
