module mantisDB

go 1.25

require vantagepool v0.0.0

replace vantagepool => ../
