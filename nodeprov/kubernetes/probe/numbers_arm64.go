package main

const (
	sysFanotifyInit = 262
	sysBPF          = 280
)
