select name, rate, burst, slots, generation, running, tat from meter order by name
