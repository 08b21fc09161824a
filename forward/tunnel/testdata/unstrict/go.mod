module unstrict

go 1.26

require golang.org/x/crypto v0.16.0 // the last without strict key exchange

require golang.org/x/sys v0.15.0 // indirect
