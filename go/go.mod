module vantagepool

go 1.25
