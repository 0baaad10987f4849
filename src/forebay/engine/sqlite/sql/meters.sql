select name, rate, burst, slots, generation, running, tat from meter where generation > 0 order by name
