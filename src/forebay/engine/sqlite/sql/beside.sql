-- the budgets that stand beside a meter
select name from meter where name > ?1 || '/' and name < ?1 || '0'
