package main

const (
	sysFanotifyInit = 300
	sysBPF          = 321
)
