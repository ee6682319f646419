module nodeprov.example/copier

go 1.21
