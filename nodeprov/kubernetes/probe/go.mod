module nodeprov.example/probe

go 1.21
