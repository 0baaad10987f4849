select name, rate, burst, slots, generation, running, tat from meter where name = ?1
