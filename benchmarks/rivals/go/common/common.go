// Package common is what every Go program of the benchmarks shares: arguments, memory, proof, the line of JSON.
package common

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Text is the value of the argument name=…, or the fallback.
func Text(name, fallback string) string {
	for _, argument := range os.Args[1:] {
		if strings.HasPrefix(argument, name+"=") {
			return argument[len(name)+1:]
		}
	}
	return fallback
}

// Real is the same for a number.
func Real(name string, fallback float64) float64 {
	value, err := strconv.ParseFloat(Text(name, ""), 64)
	if err != nil {
		return fallback
	}
	return value
}

// Count is the same for a whole number.
func Count(name string, fallback int) int { return int(Real(name, float64(fallback))) }

// CPU is the seconds of CPU that this process has used.
func CPU() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(0, &usage)
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)*1e-6
}

// Peak is the most bytes that were resident.
func Peak() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	kib, _ := strconv.ParseFloat(strings.Fields(strings.SplitN(string(status), "VmHWM:", 2)[1])[0], 64)
	return kib * 1024
}

// Resident is the bytes that are resident now.
func Resident() float64 {
	statm, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	return pages * float64(os.Getpagesize())
}

// Prove ends the program when the work was not done as it should.
func Prove(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, "not proved:", what)
		os.Exit(1)
	}
}

// NsEach is the nanoseconds since begin for each of count operations.
func NsEach(begin time.Time, count int) float64 {
	return float64(time.Since(begin).Nanoseconds()) / float64(count)
}

// Print prints the result; more is names and numbers in turn.
func Print(job string, value float64, unit string, more ...any) {
	fmt.Printf(`{"job": "%s", "impl": "go", "value": %.6g, "unit": "%s"`, job, value, unit)
	for i := 0; i+1 < len(more); i += 2 {
		fmt.Printf(`, "%v": %.6g`, more[i], more[i+1])
	}
	fmt.Println("}")
}
