select running, tat from lane where queue = ?1 and lane = ?2
