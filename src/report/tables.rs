pub struct Tables;
